"""What people see in a terminal: progress of a run, status, doctor, the summary of a run."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.table import Table as Grid

from streams.errors import GoldUnavailable
from streams.publisher import publish_once
from streams.records import DATASETS, BackfillRequest
from streams.settings import Settings
from streams.storage.gold.client import GoldClient
from streams.topics import BACKFILL_REQUESTS

if TYPE_CHECKING:
    from monitoring.health import Check

POLL_SECONDS = 0.5
SHOWN_TABLES = ("crashes", "vehicles", "people", "scores", "runs", "dead_letters")
RUN = "select * from runs where run_id = $run_id"
RUNS = "select * from runs order by requested_at desc nulls last limit 10"

console = Console(stderr=False)


async def run_backfill(
    settings: Settings,
    start: date,
    end: date,
    datasets: Sequence[str],
    request_id: str | None,
    *,
    wait: bool,
) -> int:
    """Publish a backfill request; with `wait`, show its progress. Returns the exit code."""
    wanted = {
        "request_id": request_id or f"backfill-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}",
        "start": str(start),
        "end": str(end),
        "datasets": list(datasets) or list(DATASETS),
    }
    request = BackfillRequest.decode(json.dumps(wanted).encode())
    await publish_once(settings.broker, BACKFILL_REQUESTS, request)
    console.print(f"run {request.request_id}: {start} to {end}, {', '.join(request.datasets)}")
    if not wait:
        return 0
    async with GoldClient(settings.gold) as gold:
        run = await follow(gold, request.request_id)
    return report(run)


async def follow(gold: GoldClient, run_id: str) -> dict[str, Any]:
    """Show a run's progress until it has ended; returns its row of `runs`."""
    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        fetched = progress.add_task("fetched", total=None, note="waiting for a worker")
        loaded = progress.add_task("in Gold", total=None, note="")
        while True:
            run = await run_row(gold, run_id)
            if run is not None and run["windows"] is not None:
                rows = f"{run['rows_fetched']:,} of {run['rows_planned']:,} rows"
                progress.update(fetched, total=run["windows"], completed=run["windows_done"], note=rows)
                progress.update(loaded, total=run["merges_expected"], completed=run["merges_loaded"])
            if run is not None and run["status"] != "running":
                return run
            await asyncio.sleep(POLL_SECONDS)


async def run_row(gold: GoldClient, run_id: str) -> dict[str, Any] | None:
    """A run's row of `runs`; None while there is none, or while Gold is away (it comes back)."""
    try:
        rows = (await gold.query(RUN, parameters={"run_id": run_id})).table.to_pylist()
    except GoldUnavailable:
        return None
    return rows[0] if rows else None


def report(run: dict[str, Any]) -> int:
    """Say how a run ended; the exit code is 0 when all of it is in Gold."""
    if run["status"] == "complete":
        console.print(f"[green]complete[/]: {run['rows_fetched']:,} rows, {run['crashes_changed']:,} crashes changed")
        return 0
    console.print(f"[red]failed[/]: {run['failures']} parts of run {run['run_id']}: {run['error']}")
    console.print(
        f"The rest of it is in Gold. `crash-stream dead-letters list --run {run['run_id']}` shows what is not."
    )
    return 1


async def show_status(settings: Settings) -> int:
    """Print the parts, what is in Gold, and the last runs. The exit code is 1 when a part is not well."""
    from monitoring.health import check_all  # with all that the parts are made of

    checks = await check_all(settings)
    console.print(checks_grid(checks))
    gold_is_well = all(check.ok for check in checks if check.part == "gold")
    if gold_is_well:
        async with GoldClient(settings.gold) as gold:
            console.print(await gold_grid(gold))
            console.print(runs_grid((await gold.query(RUNS)).table.to_pylist()))
    return 0 if all(check.ok for check in checks) else 1


async def run_doctor(settings: Settings) -> int:
    """Print every check with its remedy. The exit code is 1 when something needs doing."""
    from monitoring.health import check_all  # with all that the parts are made of

    checks = await check_all(settings)
    for check in checks:
        mark = "[green]well[/]" if check.ok else "[red]ill [/]"
        console.print(f"{mark} [bold]{check.part}[/]: {check.detail}")
        if not check.ok and check.remedy:
            console.print(f"      → {check.remedy}")
    ill = [check.part for check in checks if not check.ok]
    console.print(f"\n{len(ill)} of {len(checks)} need attention: {', '.join(ill)}" if ill else "\nAll is well.")
    return 1 if ill else 0


def checks_grid(checks: Sequence["Check"]) -> Grid:
    """Health, a row a part."""
    grid = Grid("part", "state", "detail", title="Parts", title_justify="left")
    for check in checks:
        grid.add_row(check.part, "[green]well[/]" if check.ok else "[red]ill[/]", check.detail)
    return grid


async def gold_grid(gold: GoldClient) -> Grid:
    """What is in Gold, a row a table."""
    status = await gold.status()
    grid = Grid("table", Column("rows", justify="right"), title="Gold", title_justify="left", min_width=52)
    for name in SHOWN_TABLES:
        grid.add_row(name, f"{status['rows'][name]:,}")
    through = f"data through {status['data_through'].replace('T', ' ')}" if status["data_through"] else "no crashes yet"
    grid.caption_justify = "left"
    grid.caption = f"{through}, {status['file_bytes'] / 1e6:,.1f} MB"
    return grid


def runs_grid(runs: Sequence[dict[str, Any]]) -> Grid:
    """Runs, newest first."""
    columns = ("run", "status", "from", "to", "rows")
    grid = Grid(*(Column(name, no_wrap=True) for name in columns), title="Runs", title_justify="left", box=box.SIMPLE)
    for run in runs:
        rows = f"{run['rows_fetched'] or 0:,}"
        grid.add_row(run["run_id"], run["status"], str(run["start"] or ""), str(run["end"] or ""), rows)
    return grid
