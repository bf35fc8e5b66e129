"""The command line: `crash-stream --help`."""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from datetime import date
from pathlib import Path
from typing import Any

import click

from streams.cli.audit import audit
from streams.cli.dead_letters import dead_letters
from streams.cli.lineage import lineage
from streams.cli.options import data_dir, day
from streams.cli.rebuild import rebuild
from streams.cli.schedule import schedule
from streams.cli.train import train
from streams.cli.versions import compare, versions
from streams.errors import CrashStreamError
from streams.settings import Settings, load_settings

# Commands import what they run only when they run: `--help` answers at once.


class Group(click.Group):
    """Turns the errors of this service into one line on stderr and exit code 1."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except CrashStreamError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="crash-stream")
def main() -> None:
    """An exact, current, scored copy of Chicago's traffic crashes.

    Start with `crash-stream up`: it runs every part on this machine and shows where to look. Settings come from
    environment variables (CRASH_...) or a .env file; README lists them.
    """


@main.command()
@data_dir
@click.option(
    "--portal",
    metavar="simulated|URL",
    help="Where crashes come from. [default: CRASH_PORTAL_URL, or the City of Chicago]",
)
@click.option(
    "--portal-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The simulated portal serves DIR/{crashes,vehicles,people}.json instead of its generated city.",
)
@click.option("--portal-crashes", type=click.IntRange(min=1), help="Size of the generated city. [default: 30 days]")
@click.option(
    "--portal-speed",
    type=click.FloatRange(min=0),
    help="The generated city lives: so many of its seconds pass in one of ours. [default: it stands still]",
)
@click.option(
    "--portal-faults",
    metavar="SEED:RATE",
    help="That share of requests to the simulated portal goes wrong, for example 7:0.1. [default: none]",
)
@click.option("--once", is_flag=True, help="Ingest, wait until all is in Gold, print a summary, and end.")
def up(
    data_dir: Path | None,
    portal: str | None,
    portal_data: Path | None,
    portal_crashes: int | None,
    portal_speed: float | None,
    portal_faults: str | None,
    once: bool,
) -> None:
    """Run every part on this machine, with broker and object store embedded where none is set.

    Ctrl-C stops all of them; a second `up` goes on where the first stopped.
    """
    from streams.local.up import City, run_up

    simulated = portal == "simulated"
    if not simulated and (portal_data or portal_crashes or portal_speed):
        raise click.UsageError("--portal-data, --portal-crashes and --portal-speed go with --portal simulated")
    if portal_data and (portal_crashes or portal_speed):
        raise click.UsageError("--portal-data serves given rows: leave out --portal-crashes and --portal-speed")
    if portal_faults:
        from streams.local.portal import Faults

        if not simulated:
            raise click.UsageError("--portal-faults goes with --portal simulated")
        Faults.parse(portal_faults)
    city = City(portal_data, portal_crashes, portal_speed, portal_faults) if simulated else None
    settings = load_settings(data_dir=data_dir, portal_url=None if simulated else portal)
    sys.exit(asyncio.run(run_up(settings, city, once=once)))


def _process(name: str, run: Callable[[Settings], Coroutine[Any, Any, None]], data_dir: Path | None) -> None:
    from monitoring.logs import configure_logs
    from streams.local.services import located

    settings = located(load_settings(data_dir=data_dir))
    configure_logs(name, settings.log_level)
    try:
        # Not `asyncio.run`, which waits for what Faust leaves behind: where a broker was away, that is a thread, and
        # tasks that ignore being cancelled.
        asyncio.new_event_loop().run_until_complete(run(settings))
        status = 0
    except CrashStreamError as error:
        click.echo(f"Error: {error}", err=True)
        status = 1
    except Exception:
        traceback.print_exc()
        status = 1
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


@main.command()
@data_dir
def worker(data_dir: Path | None) -> None:
    """Run a worker: plans backfills, fetches pages, merges months. Start as many as there is work for."""
    from streams.bootstrap import run_worker

    _process("worker", run_worker, data_dir)


@main.command()
@data_dir
def gold(data_dir: Path | None) -> None:
    """Run the owner of Gold: loads months, keeps lineage, answers queries. There is one."""
    from streams.bootstrap import run_gold

    _process("gold", run_gold, data_dir)


@main.command()
@data_dir
def trainer(data_dir: Path | None) -> None:
    """Run a trainer: trains the models that are asked for, one at a time. Start as many as there is work for."""
    from streams.bootstrap import run_trainer

    _process("trainer", run_trainer, data_dir)


@main.command()
@data_dir
def web(data_dir: Path | None) -> None:
    """Run the web app: pages and REST API."""
    from streams.bootstrap import run_web

    _process("web", run_web, data_dir)


@main.command()
@data_dir
@click.option("--start", required=True, callback=day, metavar="YYYY-MM-DD", help="First day of crashes to copy.")
@click.option("--end", required=True, callback=day, metavar="YYYY-MM-DD", help="Day after the last one.")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    type=click.Choice(["crashes", "vehicles", "people"]),
    help="Copy only this one; may be given several times. [default: all]",
)
@click.option("--request-id", help="Name of the run. [default: made up]")
@click.option("--wait", is_flag=True, help="Show progress until the last row is in Gold.")
def backfill(
    data_dir: Path | None, start: date, end: date, datasets: tuple[str, ...], request_id: str | None, wait: bool
) -> None:
    """Copy the crashes of a span of days, with their vehicles and people."""
    from streams.console import run_backfill
    from streams.local.services import located

    settings = located(load_settings(data_dir=data_dir))
    sys.exit(asyncio.run(run_backfill(settings, start, end, datasets, request_id, wait=wait)))


@main.command()
@data_dir
def status(data_dir: Path | None) -> None:
    """Show the parts, what is in Gold, and the last runs."""
    from streams.console import show_status
    from streams.local.services import located

    sys.exit(asyncio.run(show_status(located(load_settings(data_dir=data_dir)))))


@main.command()
@data_dir
def doctor(data_dir: Path | None) -> None:
    """Check portal, token, broker, store, Gold and disk, and say what to do about what is wrong."""
    from streams.console import run_doctor
    from streams.local.services import located

    sys.exit(asyncio.run(run_doctor(located(load_settings(data_dir=data_dir)))))


main.add_command(audit)
main.add_command(rebuild)
main.add_command(train)
main.add_command(versions)
main.add_command(compare)
main.add_command(schedule)
main.add_command(dead_letters)
main.add_command(lineage)
