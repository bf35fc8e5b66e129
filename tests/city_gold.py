"""A Gold of simulated crashes, without a portal and a broker before it."""

from datetime import date

import polars as pl

from streams.domain.schemas import CRASHES, PEOPLE, TABLES, VEHICLES, Table, published, silver_schema
from streams.local.portal.city import City
from streams.local.portal.rows import city_frame
from streams.storage.gold.upsert import Change


def city_changes(seed: int, start: date, end: date, crashes: int) -> list[Change]:
    """What loads so many crashes of the simulated city into an empty Gold, a change a month."""
    chunks = list(City(seed).history(start, end, crashes))
    rows = {dataset: pl.concat([_page(chunk[dataset], table) for chunk in chunks]) for dataset, table in TABLES.items()}
    silver = (
        rows["crashes"]
        .select("crash_record_id", crash=pl.struct(list(published(CRASHES))))
        .join(_lists(rows["vehicles"], VEHICLES), on="crash_record_id", how="left")
        .join(_lists(rows["people"], PEOPLE), on="crash_record_id", how="left")
        .with_columns(pl.col("vehicles", "people").fill_null([]))
        .cast(silver_schema())  # type: ignore[arg-type]  # a schema is a mapping
        .sort("crash_record_id")
    )
    month = pl.col("crash").struct.field("crash_date").str.head(7)
    months = silver.select(month).to_series().unique().sort()
    return [Change(key, 1, silver.filter(month == key)) for key in months]


def _page(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    schema = published(table)
    told = city_frame(frame)
    return told.select(
        # The place as a point is latitude and longitude once more.
        pl.col(name).cast(dtype) if name in told.columns and name != "location" else pl.lit(None, dtype).alias(name)
        for name, dtype in schema.items()
    )


def _lists(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    nested = pl.struct(list(published(table))).sort_by(table.key).alias(table.dataset)
    return rows.group_by("crash_record_id").agg(nested)
