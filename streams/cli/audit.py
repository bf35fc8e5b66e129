"""`crash-stream audit`: compare the copy with the portal, and say what differed."""

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from streams.cli.options import data_dir
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.storage.gold.client import GoldClient

DIFFERING = """
    select month, dataset, portal, ours, missing, gone, moved from audits
    where run_id = $run_id and (portal <> ours or missing + gone + moved > 0) order by month, dataset
"""
COMPARED = "select count(distinct month) as months, sum(portal)::bigint as portal from audits where run_id = $run_id"


@click.command()
@data_dir
@click.option("--start", metavar="YYYY-MM-DD", help="First day of crashes to compare. [default: the copy's first day]")
@click.option("--end", metavar="YYYY-MM-DD", help="Day after the last one. [default: tomorrow]")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    type=click.Choice(["crashes", "vehicles", "people"]),
    help="Compare only this one; may be given several times. [default: all]",
)
@click.option("--thorough", is_flag=True, help="Compare the keys of every month, not only where the counts differ.")
@click.option("--accept-deletions", is_flag=True, help="Believe it when the portal lacks a large share of a month.")
@click.option("--wait/--no-wait", default=True, help="Wait until all is mended, and say what differed. [default: wait]")
def audit(
    data_dir: Path | None,
    start: str | None,
    end: str | None,
    datasets: tuple[str, ...],
    thorough: bool,
    accept_deletions: bool,
    wait: bool,
) -> None:
    """Compare the copy with the portal: fetch what is missing, drop what is gone.

    The exit code is 0 when all agreed, or was mended.
    """
    from streams.local.services import located

    flags = {"thorough": thorough, "accept_deletions": accept_deletions}
    wanted = {"start": start, "end": end, "datasets": datasets or None, **flags}
    settings = located(load_settings(data_dir=data_dir))
    sys.exit(asyncio.run(run_audit(settings, wanted, wait=wait)))


async def run_audit(settings: Settings, wanted: Mapping[str, object], *, wait: bool) -> int:
    """Publish an audit request of the fields `wanted`; with `wait`, follow it. Returns the exit code."""
    from streams.console import console, follow
    from streams.publisher import publish_once
    from streams.records import AuditRequest
    from streams.storage.gold.client import GoldClient
    from streams.topics import AUDIT_REQUESTS

    given = {name: value for name, value in wanted.items() if value is not None}
    run_id = f"audit-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    request = AuditRequest.decode(json.dumps({"run_id": run_id, **given}).encode())
    await publish_once(settings.broker, AUDIT_REQUESTS, request)
    console.print(f"run {run_id}: audit of {', '.join(request.datasets)}")
    if not wait:
        return 0
    async with GoldClient(settings.gold) as gold:
        run = await follow(gold, run_id)
        differing, (compared,) = await _rows(gold, DIFFERING, run_id), await _rows(gold, COMPARED, run_id)
    return report(run, differing, compared)


async def _rows(gold: "GoldClient", sql: str, run_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await gold.query(sql, parameters={"run_id": run_id})).table.to_pylist()
    return rows


def report(run: dict[str, Any], differing: list[dict[str, Any]], compared: dict[str, Any]) -> int:
    """Say what an audit found, and how it ended; the exit code is 0 when all agreed or was mended."""
    from rich.table import Column, Table

    from streams.console import console

    if differing:
        numbers = (Column(name, justify="right") for name in ("portal", "ours", "missing", "gone", "moved"))
        grid = Table("month", "table", *numbers, title="Differences", title_justify="left")
        for row in differing:
            grid.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
        console.print(grid)
    if run["status"] != "complete":
        console.print(f"[red]failed[/]: {run['failures']} parts of run {run['run_id']}: {run['error']}")
        console.print("See the table dead_letters. What was mended before it failed stays mended.")
        return 1
    if differing:
        console.print(f"[green]mended[/]: {run['crashes_changed']:,} crashes changed")
    else:
        console.print(f"[green]all agree[/]: {compared['portal'] or 0:,} rows in {compared['months']} months")
    return 0
