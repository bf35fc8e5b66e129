"""`crash-stream versions` and `compare`: what Silver held of a month, and what became of it."""

import asyncio
import re
import sys
from pathlib import Path

import click

from streams.cli.options import data_dir
from streams.settings import Settings, load_settings

SHOWN_ROWS = 10
SHOWN_VERSIONS = 50


def _month(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}", value):
        raise click.BadParameter(f"{value!r} is no month; write it as YYYY-MM")
    return value


month_argument = click.argument("month", callback=_month, metavar="MONTH")


@click.command()
@data_dir
@month_argument
def versions(data_dir: Path | None, month: str) -> None:
    """List the versions of a crash month that can be read, the newest last."""
    from streams.local.services import located

    sys.exit(asyncio.run(show_versions(located(load_settings(data_dir=data_dir)), month)))


@click.command()
@data_dir
@month_argument
@click.argument("old", metavar="FROM", type=click.IntRange(min=1))
@click.argument("new", metavar="TO", type=click.IntRange(min=1))
def compare(data_dir: Path | None, month: str, old: int, new: int) -> None:
    """Show what differs between two versions of a crash month: rows, columns, and some values."""
    from streams.local.services import located

    sys.exit(asyncio.run(show_comparison(located(load_settings(data_dir=data_dir)), month, old, new)))


async def show_versions(settings: Settings, month: str) -> int:
    """Print a month's versions. Returns the exit code. Raises `RequestError`."""
    from rich.table import Column
    from rich.table import Table as Grid

    from streams.bootstrap import store
    from streams.console import console
    from streams.records import DATASETS
    from streams.storage.silver import Silver

    async with store(settings) as objects:
        history = await Silver(objects).history(month)
    grid = Grid(
        *(Column(name, justify="right", no_wrap=True) for name in ("version", "written (UTC)", *DATASETS)),
        "page",
        title=f"Silver {month}",
        title_justify="left",
    )
    for version in history[-SHOWN_VERSIONS:]:
        rows = [f"{version.rows[name]:,}" if version.rows else "?" for name in DATASETS]
        grid.add_row(str(version.version), f"{version.written_at:%Y-%m-%d %H:%M:%S}", *rows, version.page)
    if len(history) > SHOWN_VERSIONS:
        grid.caption = f"the last {SHOWN_VERSIONS} of {len(history)}; GET /api/silver/{month}/versions has all"
    console.print(grid)
    return 0


async def show_comparison(settings: Settings, month: str, old: int, new: int) -> int:
    """Print what differs between two versions of a month. Returns the exit code. Raises `RequestError`."""
    from rich.table import Column
    from rich.table import Table as Grid

    from streams.bootstrap import store
    from streams.console import console
    from streams.domain.compare import compare as compare_frames
    from streams.storage.silver import Silver

    async with store(settings) as objects:
        silver = Silver(objects)
        before, after = await silver.at(month, version=old), await silver.at(month, version=new)
    differences = compare_frames(before, after)
    names = ("rows", "added", "removed", "changed")
    grid = Grid(*(Column(name, justify="right") for name in names), title=f"Silver {month}: {old} to {new}")
    for dataset, found in differences.items():
        grid.add_row(dataset, f"{found.added.height:,}", f"{found.removed.height:,}", f"{found.changed:,}")
    console.print(grid)
    for dataset, found in differences.items():
        if not found.changed:
            continue
        counts = ", ".join(f"{column} {rows:,}" for column, rows in found.columns.items())
        console.print(f"\n[bold]{dataset}[/], rows changed by column: {counts}", soft_wrap=True)
        for key, column, was, now in found.sample(SHOWN_ROWS).iter_rows():
            console.print(f"  {key[:16]}  {column}: {was!r} → {now!r}", soft_wrap=True, markup=False, highlight=False)
        if found.changed > SHOWN_ROWS:
            console.print(f"  … and {found.changed - SHOWN_ROWS:,} rows more")
    return 0
