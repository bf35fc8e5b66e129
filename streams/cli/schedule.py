"""`crash-stream schedule`: list, add, pause, resume and delete schedules."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import click

from streams.cli.options import data_dir
from streams.settings import Settings, load_settings

# What runs is imported when it runs: `--help` answers at once.

schedule_id = click.argument("schedule_id", metavar="NAME")


@click.group()
def schedule() -> None:
    """Backfills, polls and audits that come by themselves, by cron expressions on Chicago's clock."""


@schedule.command("list")
@data_dir
def list_all(data_dir: Path | None) -> None:
    """Show every schedule with its last and its next run."""
    from streams.cli.schedule_console import show_schedules

    asyncio.run(show_schedules(_settings(data_dir)))


@schedule.command()
@schedule_id
@data_dir
@click.option("--cron", required=True, help="Minute, hour, day of month, month, weekday: '0 3 * * *' is 3:00 daily.")
@click.option("--mode", required=True, type=click.Choice(["backfill", "streaming", "audit"]), help="What to do.")
@click.option("--days", type=int, help="Days that a backfill copies, a poll looks back, or an audit compares.")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    type=click.Choice(["crashes", "vehicles", "people"]),
    help="Only this one; may be given several times. [default: all]",
)
@click.option(
    "--missed",
    type=click.Choice(["skip", "once"]),
    help="Skip times at which no worker ran, or make up for all of them in one run. [default: skip]",
)
def add(data_dir: Path | None, datasets: tuple[str, ...], **given: Any) -> None:
    """Create the schedule NAME."""
    from streams.cli.schedule_console import add_schedule

    wanted = {**given, "datasets": datasets or None}
    asyncio.run(add_schedule(_settings(data_dir), wanted))


@schedule.command()
@schedule_id
@data_dir
def pause(data_dir: Path | None, schedule_id: str) -> None:
    """Have NAME run no more until it is resumed."""
    _change(data_dir, schedule_id, "pause")


@schedule.command()
@schedule_id
@data_dir
def resume(data_dir: Path | None, schedule_id: str) -> None:
    """Have NAME run again, from its next time on."""
    _change(data_dir, schedule_id, "resume")


@schedule.command()
@schedule_id
@data_dir
def delete(data_dir: Path | None, schedule_id: str) -> None:
    """Delete NAME. What it has copied stays."""
    _change(data_dir, schedule_id, "delete")


def _change(data_dir: Path | None, schedule_id: str, what: Literal["pause", "resume", "delete"]) -> None:
    from streams.cli.schedule_console import change_schedule

    asyncio.run(change_schedule(_settings(data_dir), schedule_id, what))


def _settings(data_dir: Path | None) -> Settings:
    from streams.local.services import located

    return located(load_settings(data_dir=data_dir))
