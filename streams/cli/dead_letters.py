"""`crash-stream dead-letters`: list what could not be processed, and publish it once more."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from streams.cli.options import data_dir
from streams.settings import Settings, load_settings

# What runs is imported when it runs: `--help` answers at once.


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that could not be processed."""


@dead_letters.command("list")
@data_dir
@click.option("--topic", help="Only messages of this topic.")
@click.option("--run", "run_id", metavar="RUN", help="Only messages of this run.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many at most.")
def list_some(data_dir: Path | None, topic: str | None, run_id: str | None, limit: int) -> None:
    """Show dead letters, the last to fail first."""
    asyncio.run(_list(_settings(data_dir), topic, run_id, limit))


@dead_letters.command()
@data_dir
@click.argument("letters", nargs=-1, metavar="[TOPIC/PARTITION/OFFSET]...")
@click.option("--topic", help="All of this topic that were not replayed yet.")
@click.option("--all", "everything", is_flag=True, help="All that were not replayed yet.")
def replay(data_dir: Path | None, letters: tuple[str, ...], topic: str | None, everything: bool) -> None:
    """Publish messages again, as they were, to the topics they came from.

    The exit code is 1 when one of them cannot be published again.
    """
    if bool(letters) + bool(topic) + everything != 1:
        raise click.UsageError("say which letters: by their names, by --topic, or by --all")
    sys.exit(asyncio.run(_replay(_settings(data_dir), letters or None, topic)))


async def _list(settings: Settings, topic: str | None, run_id: str | None, limit: int) -> None:
    from streams.console import console
    from streams.dead_letters import listed
    from streams.storage.gold.client import GoldClient

    async with GoldClient(settings.gold) as gold:
        letters = await listed(gold, topic=topic, run_id=run_id, limit=limit)
    for letter in letters:
        console.print(_described(letter), markup=False, highlight=False)
    if not letters:
        console.print("no dead letters")


def _described(letter: dict[str, Any]) -> str:
    failed = f"failed {letter['failed_at']:%Y-%m-%d %H:%M:%S} UTC at {letter['stage']}"
    run = f", run {letter['run_id']}" if letter["run_id"] else ""
    replayed = f", replayed {letter['replayed_at']:%Y-%m-%d %H:%M:%S} UTC" if letter["replayed_at"] else ""
    value = letter["value"] if letter["value_base64"] is None else f"base64 {letter['value_base64']}"
    return "\n".join(
        (
            letter["letter"],
            f"  {failed}{run}{replayed}",
            f"  {letter['error']}: {letter['message']}",
            f"  {value if value is not None else 'no value'}",
        )
    )


async def _replay(settings: Settings, letters: tuple[str, ...] | None, topic: str | None) -> int:
    from streams.console import console
    from streams.dead_letters import replay
    from streams.publisher import Publisher
    from streams.storage.gold.client import GoldClient

    async with GoldClient(settings.gold) as gold, Publisher(settings.broker) as publisher:
        result = await replay(gold, publisher.republish, publisher.publish, letters=letters, topic=topic)
    console.print(f"published again: {result.replayed:,}")
    for letter, reason in result.refused.items():
        console.print(f"refused: {letter}: {reason}", markup=False, highlight=False)
    return 1 if result.refused else 0


def _settings(data_dir: Path | None) -> Settings:
    from streams.local.services import located

    return located(load_settings(data_dir=data_dir))
