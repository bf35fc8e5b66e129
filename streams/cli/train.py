"""`crash-stream train`: have a model trained, and see what comes of it."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from streams.cli.options import data_dir
from streams.records import ALGORITHMS, TARGETS, TIERS
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from streams.storage.gold.client import GoldClient

POLL_SECONDS = 0.3
JOB = "select * from training_jobs where request_id = $request_id"
METRICS: Mapping[str, str] = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "pr_auc_lift": "PR-AUC / base rate",
    "brier": "Brier score",
    "ece": "calibration error",
    "log_loss": "log loss",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
}


def _settings_of(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, object]:
    """`name=value` pairs; a value that is JSON is taken as such, any other as text."""
    values: dict[str, object] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{pair!r} is no name=value, such as learning_rate=0.1")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


@click.command()
@data_dir
@click.option("--target", type=click.Choice(TARGETS), help="What to predict. [default: injury]")
@click.option("--tier", type=click.Choice(TIERS), help="When it is to be predicted. [default: report]")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), help="[default: lightgbm]")
@click.option("--feature", "features", multiple=True, help="Only this one; several times. [default: all of the tier]")
@click.option(
    "--set",
    "hyperparameters",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_settings_of,
    help="A hyperparameter by hand; several times.",
)
@click.option("--search-seconds", type=float, help="Search the other hyperparameters for so long.")
@click.option(
    "--imbalance", type=click.Choice(["none", "weights"]), help="Weigh the rarer outcome more. [default: none]"
)
@click.option("--recall", type=float, help="Choose the threshold that finds this share of the cases.")
@click.option("--cost", type=float, help="Choose the threshold where a missed case is worth so many false alarms.")
@click.option("--start", metavar="YYYY-MM-DD", help="First day of crashes to learn from. [default: the first there is]")
@click.option("--end", metavar="YYYY-MM-DD", help="Day after the last one. [default: the last that is mature]")
@click.option("--maturity-days", type=int, help="Leave out crashes younger than this. [default: 14]")
@click.option(
    "--promote", type=click.Choice(["if-better", "never", "always"]), help="Let it serve. [default: if-better]"
)
@click.option("--seed", type=int, help="Of all that is drawn by lot. [default: 0]")
@click.option("--request-id", help="Name of the training. [default: made up]")
@click.option("--wait", is_flag=True, help="Show progress, and what came of it.")
@click.option("--cancel", metavar="ID", help="Give up the training of this name instead.")
def train(data_dir: Path | None, wait: bool, cancel: str | None, **wanted: object) -> None:
    """Train a model on the crashes in Gold. A trainer does it; it serves where it is better than what does.

    The exit code is 1 when nothing came of it.
    """
    from streams.local.services import located

    settings = located(load_settings(data_dir=data_dir))
    given = {name: value for name, value in wanted.items() if value not in (None, (), {})}
    if cancel is not None and given:
        raise click.UsageError("--cancel gives a training up: leave out what describes one")
    wanted = {"request_id": cancel, "cancel": True} if cancel is not None else given
    sys.exit(asyncio.run(run_train(settings, wanted, wait=wait)))


async def run_train(settings: Settings, wanted: Mapping[str, object], *, wait: bool) -> int:
    """Publish a training request of the fields `wanted`; with `wait`, follow it. Returns the exit code."""
    from streams.console import console
    from streams.publisher import publish_once
    from streams.records import TrainRequest
    from streams.storage.gold.client import GoldClient
    from streams.topics import TRAIN_REQUESTS

    made_up = f"train-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    request = TrainRequest.decode(json.dumps({"request_id": made_up, **wanted}).encode())
    await publish_once(settings.broker, TRAIN_REQUESTS, request)
    if request.cancel:
        console.print(f"training {request.request_id} is given up at its next step")
    else:
        what = f"{request.algorithm} for {request.target} at tier {request.tier}"
        console.print(f"training {request.request_id}: {what}")
    if not wait:
        return 0
    async with GoldClient(settings.gold) as gold:
        return report(await follow(gold, request.request_id))


async def follow(gold: "GoldClient", request_id: str) -> dict[str, Any]:
    """Show a training's progress until it has ended; returns its row of `training_jobs`."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from streams.console import console

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("requested", total=1.0, note="waiting for a trainer")
        while True:
            job = await _job(gold, request_id)
            if job is not None and job["stage"] is not None:
                progress.update(bar, description=job["stage"], completed=job["share"] or 0.0, note=_note(job))
            if job is not None and job["ended_at"] is not None:
                return job
            await asyncio.sleep(POLL_SECONDS)


async def _job(gold: "GoldClient", request_id: str) -> dict[str, Any] | None:
    """None while there is none, or while Gold is away (it comes back)."""
    from streams.errors import GoldUnavailable

    try:
        rows: list[dict[str, Any]] = (await gold.query(JOB, parameters={"request_id": request_id})).table.to_pylist()
    except GoldUnavailable:
        return None
    return rows[0] if rows else None


def _note(job: Mapping[str, Any]) -> str:
    score = f"ROC-AUC {job['score']:.3f}" if job["score"] is not None else ""
    left = f"{job['seconds_left']:.0f} s left" if job["seconds_left"] is not None else ""
    return "  ".join(filter(None, (score, left)))


def report(job: Mapping[str, Any]) -> int:
    """Say what came of a training; the exit code is 0 when there is a model."""
    from streams.console import console

    if job["state"] != "finished":
        console.print(f"[red]{job['state']}[/]: {job['error'] or 'somebody asked for it'}", soft_wrap=True)
        if job["hint"]:
            console.print(f"{job['hint']}", soft_wrap=True, markup=False)
        return 1
    comparison = json.loads(job["comparison"]) if job["comparison"] else None
    console.print(metrics_grid(json.loads(job["metrics"]), comparison))
    if comparison:
        console.print(f"compared with what served, on the same crashes: {comparison['verdict']}")
    console.print(f"[green]finished[/]: {job['model_version']}", soft_wrap=True)
    console.print("it serves now" if job["promoted"] else "it does not serve; see --promote, or promote it by hand")
    return 0


def metrics_grid(metrics: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> "Table":
    """Metrics on the test rows with their 95 % intervals, and how much better than what serves."""
    from rich import box
    from rich.table import Column, Table

    names = ("value", "95 %", *(("difference", "95 %") if comparison else ()))
    columns = (Column(name, justify="right", no_wrap=True) for name in names)
    grid = Table(
        Column("metric", no_wrap=True), *columns, title="On later crashes", title_justify="left", box=box.SIMPLE
    )
    for name, shown in METRICS.items():
        row = [*_interval(metrics[name])]
        if comparison:
            row += _compared(comparison["metrics"].get(name))
        grid.add_row(shown, *row)
    return grid


def _compared(found: Mapping[str, Any] | None) -> tuple[str, str]:
    return _interval(found["difference"], "+") if found else ("", "")


def _interval(metric: Mapping[str, Any], sign: str = "") -> tuple[str, str]:
    return _number(metric["value"], sign), f"{_number(metric['low'], sign)} … {_number(metric['high'], sign)}"


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.3f}"
