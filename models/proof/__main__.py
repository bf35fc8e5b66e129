"""The command `python -m models.proof`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from models.evaluate import Evaluation
from models.proof.chart import chart
from models.proof.document import document
from models.proof.measure import Result, Rows, city_rows, coverage, prove, real_rows
from streams.errors import CrashStreamError
from streams.records import ALGORITHMS, TARGETS, TIERS

# Real crashes, in the folder CRASH_REAL_DATA.
REAL_ROWS: Final = "dsc465_crashes_35cols.csv"
_DOCUMENT: Final = Path("docs") / "models.md"


def _draw(folder: Path, source: str, results: Sequence[Result]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        curves: dict[str, Evaluation] = {
            result.tier: result.evaluation for result in results if result.target == target
        }
        (folder / f"{source}-{target}.svg").write_text(chart(curves))


def _all(rows: Rows, threads: int) -> list[Result]:
    results = []
    for target in TARGETS:
        for tier in TIERS:
            result = prove(rows, target, tier, threads=threads)
            click.echo(f"{rows.name}, {target}, {tier}: ROC-AUC {result.evaluation.metrics['roc_auc']}")
            results.append(result)
    return results


@click.command()
@click.option("--crashes", default=300_000, show_default=True, help="Crashes of the simulated city, in three years.")
@click.option("--seed", default=1, show_default=True, help="Which city.")
@click.option(
    "--real", type=click.Path(path_type=Path), help=f"Real crashes as CSV; default: $CRASH_REAL_DATA/{REAL_ROWS}"
)
@click.option("--out", default=_DOCUMENT, show_default=True, type=click.Path(path_type=Path), help="Document to write.")
@click.option("--threads", default=os.cpu_count() or 1, show_default=True, help="Threads to train with.")
def main(crashes: int, seed: int, real: Path | None, out: Path, threads: int) -> None:
    """Train every tier and target, and write what came of it."""
    folder = os.environ.get("CRASH_REAL_DATA")
    path = real or (Path(folder) / REAL_ROWS if folder else None)
    try:
        given = real_rows(path) if path else None
    except CrashStreamError as error:
        raise click.ClickException(str(error)) from None
    if not given:
        click.echo("no real rows: give --real, or set CRASH_REAL_DATA")
    measured = _all(given, threads) if given else []
    others = (
        [prove(given, target, "report", name, threads=threads) for target in TARGETS for name in ALGORITHMS]
        if given
        else []
    )
    city = _all(city_rows(seed, crashes), threads)
    for source, results in (("city", city), ("real", measured)):
        if results:
            _draw(out.with_suffix(""), source, results)
    covered = {result.target: dict(coverage(result)) for result in city if result.tier == "report"}
    out.write_text(document(city, measured, others, covered, f"--crashes {crashes} --seed {seed}"))
    click.echo(f"written: {out}")


if __name__ == "__main__":
    main()
