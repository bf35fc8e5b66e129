"""`crash-stream lineage`: from a row of Gold back to the request that it came from."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import data_dir
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.lineage.trail import Lineage


@click.command()
@click.argument("table", type=click.Choice(["crashes", "vehicles", "people"]))
@click.argument("key")
@data_dir
@click.option("--json", "as_json", is_flag=True, help="All that is known, as JSON.")
def lineage(table: str, key: str, data_dir: Path | None, as_json: bool) -> None:
    """Show where the row KEY of TABLE came from: Silver's version, Bronze's object, the runs that fetched it."""
    from streams.local.services import located

    found = asyncio.run(_ask(located(load_settings(data_dir=data_dir)), table, key))
    click.echo(found.model_dump_json(indent=2) if as_json else described(found))


async def _ask(settings: Settings, table: str, key: str) -> "Lineage":
    from streams.storage.gold.client import GoldClient

    async with GoldClient(settings.gold) as gold:
        return await gold.lineage(table, key)


def described(found: "Lineage") -> str:
    """The trail in words, a stage a line."""
    gold, silver, bronze = found.gold, found.silver, found.bronze
    lines = [
        f"gold    {found.table} {found.key}, month {gold.month}, version {gold.version} since {_time(gold.loaded_at)}"
    ]
    if silver:
        lines.append(f"silver  {silver.key}, row of {silver.updated_at}, its version {silver.row_version}")
    if bronze:
        lines.append(f"bronze  {bronze.key}, {bronze.rows} rows, {bronze.size} bytes, {_time(bronze.archived_at)}")
        lines.append(f"portal  {bronze.request}")
    lines += [f"run     {page.run_id}, page {page.page_id}, fetched {_time(page.fetched_at)}" for page in found.fetched]
    return "\n".join([*lines, *([f"ends    {found.ends}"] if found.ends else [])])


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "unknown"
