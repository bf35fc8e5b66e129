"""`crash-stream rebuild silver|gold`: build one layer again from the one before it, while the service runs on."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from streams.cli.options import data_dir
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

POLL_SECONDS = 0.3


@click.group()
def rebuild() -> None:
    """Build Silver again from Bronze, or Gold from Silver. The service runs on meanwhile."""


@rebuild.command()
@data_dir
@click.option("--month", metavar="YYYY-MM", help="Build this crash month alone. [default: all]")
def silver(data_dir: Path | None, month: str | None) -> None:
    """Compute months from the archived pages, and write those of which Silver holds something else.

    What is written is announced to Gold like any change. The exit code is 1 when a month could not be built.
    """
    from streams.local.services import located

    sys.exit(asyncio.run(rebuild_silver(located(load_settings(data_dir=data_dir)), month)))


@rebuild.command()
@data_dir
def gold(data_dir: Path | None) -> None:
    """Load every month whole again, and take out rows that no month has. The gold process does it."""
    from streams.local.services import located

    sys.exit(asyncio.run(rebuild_gold(located(load_settings(data_dir=data_dir)))))


async def rebuild_silver(settings: Settings, only: str | None) -> int:
    """Rebuild Silver, or one month of it; shows progress and a summary. Returns the exit code."""
    from streams.bootstrap import store
    from streams.console import console
    from streams.errors import MalformedPage
    from streams.publisher import Publisher, declare_topics
    from streams.rebuild import SilverRebuild
    from streams.storage.bronze import Bronze
    from streams.storage.silver import Silver

    run_id = f"rebuild-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    await declare_topics(settings.broker)
    async with store(settings) as objects, Publisher(settings.broker) as publisher:
        work = SilverRebuild(Bronze(objects), Silver(objects), publisher.publish, run_id)
        built, failed = [], []
        with _progress("Silver", "reading what the archive holds") as (bar, task):
            months = await work.months(only)
            for done, month in enumerate(months):
                bar.update(task, total=len(months), completed=done, note=month)
                try:
                    built.append(await work.build(month))
                except MalformedPage as error:
                    failed.append(f"{month}: {error}")
            bar.update(task, total=len(months), completed=len(months), note="")
    for one in built:
        if one.version is not None:
            console.print(f"{one.month}: version {one.version}, {one.crashes_changed:,} crashes changed")
    written = sum(one.version is not None for one in built)
    console.print(f"months built: {len(built)}, from {sum(one.pages for one in built):,} pages; not right: {written}")
    for line in failed:
        console.print(f"[red]not built[/]: {line}", soft_wrap=True)
    return 1 if failed else 0


async def rebuild_gold(settings: Settings) -> int:
    """Have the gold process rebuild Gold, and follow it. Returns the exit code. Raises `GoldError`."""
    from streams.console import console
    from streams.storage.gold.client import GoldClient

    async with GoldClient(settings.gold) as client:
        with _progress("Gold", "asking the gold process") as (bar, task):
            progress = await client.rebuild(settings.api_token)
            begun = progress["started_at"]
            while progress["state"] == "running" and progress["started_at"] == begun:
                bar.update(task, total=progress["months"] or None, completed=progress["done"], note="")
                await asyncio.sleep(POLL_SECONDS)
                progress = await client.rebuilding()
            bar.update(task, total=progress["months"] or None, completed=progress["done"])
    if progress["state"] == "done":
        rows = f"{progress['put_in']:,} rows put in, {progress['taken_out']:,} taken out"
        console.print(f"[green]done[/]: {progress['done']} months loaded; {rows}")
        return 0
    reason = progress["error"] or "the gold process was restarted meanwhile: run this again"
    console.print(f"[red]not done[/]: {reason}", soft_wrap=True)
    return 1


@contextmanager
def _progress(what: str, note: str) -> Iterator[tuple["Progress", "TaskID"]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from streams.console import console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("months"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield progress, progress.add_task(what, total=None, note=note)
