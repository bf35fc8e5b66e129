"""Rows as published, and Silver frames of them, for the tests of Gold."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES, Table, published, silver_schema
from streams.storage.gold.upsert import Change

Row = dict[str, Any]

DAY = "2024-01-05T08:30:00.000"


def crash(crash_id: str, **values: Any) -> Row:
    return {"crash_record_id": crash_id, "crash_date": DAY, ":updated_at": "2024-02-01T00:00:00.000Z"} | values


def vehicle(unit_id: int | str, crash_id: str, **values: Any) -> Row:
    return crash(crash_id, crash_unit_id=str(unit_id), **values)


def person(person_id: str, crash_id: str, **values: Any) -> Row:
    return crash(crash_id, person_id=person_id, **values)


def located(latitude: str | None, longitude: str | None) -> Row:
    point = {"type": "Point", "coordinates": [-87.6, 41.8]}
    return {"latitude": latitude, "longitude": longitude, "location": point}


def silver(
    crashes: Sequence[Row] = (), vehicles: Sequence[Row] = (), people: Sequence[Row] = (), *, bare: Sequence[str] = ()
) -> pl.DataFrame:
    """A Silver frame of these rows; `bare` are crash ids of which nothing is left."""
    frame = (
        _rows(crashes, CRASHES)
        .select("crash_record_id", crash=pl.struct(list(published(CRASHES))))
        .join(_lists(vehicles, VEHICLES), on="crash_record_id", how="full", coalesce=True)
        .join(_lists(people, PEOPLE), on="crash_record_id", how="full", coalesce=True)
        .with_columns(pl.col("vehicles", "people").fill_null([]))
        .cast(silver_schema())
    )
    rest = [{"crash_record_id": crash_id, "crash": None, "vehicles": [], "people": []} for crash_id in bare]
    return pl.concat([frame, pl.DataFrame(rest, schema=silver_schema())]).sort("crash_record_id")


def change(month: str, version: int, *rows: Sequence[Row], bare: Sequence[str] = ()) -> Change:
    """A change of a month: crashes, vehicles, people."""
    return Change(month, version, silver(*rows, bare=bare))


def many(crashes: int, start: int = 0, day: str = DAY) -> pl.DataFrame:
    """Silver of this many crashes with two vehicles and 2.2 people each, ids of the portal's length."""
    few = 500
    ids = [f"{number:0128x}" for number in range(few)]
    frame = silver(
        [
            crash(i, crash_date=day, injuries_total="1", injuries_fatal="0", injuries_incapacitating="0")
            | located("41.8812", "-87.6278")
            | {"street_name": "STATE ST", "posted_speed_limit": "30", "weather_condition": "CLEAR"}
            for i in ids
        ],
        [
            vehicle(2 * n + unit, i, crash_date=day, make="FORD", vehicle_year="2015", vehicle_type="PASSENGER")
            for n, i in enumerate(ids)
            for unit in range(2)
        ],
        [
            person(f"O{3 * n + one}", i, crash_date=day, age="30", sex="F", city="CHICAGO")
            for n, i in enumerate(ids)
            for one in range(3 if n % 5 == 0 else 2)
        ],
    )
    tiles = [_renamed(frame, start + tile) for tile in range(-(-crashes // few))]
    return pl.concat(tiles).head(crashes)


def _rows(rows: Sequence[Row], table: Table) -> pl.DataFrame:
    return pl.DataFrame([{**row} for row in rows], schema=published(table))


def _lists(rows: Sequence[Row], table: Table) -> pl.DataFrame:
    nested = pl.struct(list(published(table))).sort_by(table.key).alias(table.dataset)
    return _rows(rows, table).group_by("crash_record_id").agg(nested)


def _renamed(frame: pl.DataFrame, tile: int) -> pl.DataFrame:
    """The same crashes once more, under other keys."""
    crash_id = pl.format("{}{}", pl.lit(f"{tile:08x}"), pl.col("crash_record_id").str.slice(8))

    def children(table: Table) -> pl.Expr:
        key = pl.format("{}{}", pl.element().struct.field(table.key), pl.lit(f"{tile:07d}"))
        owner = pl.format("{}{}", pl.lit(f"{tile:08x}"), pl.element().struct.field("crash_record_id").str.slice(8))
        return pl.col(table.dataset).list.eval(
            pl.element().struct.with_fields(key.alias(table.key), owner.alias("crash_record_id"))
        )

    return frame.with_columns(
        pl.col("crash").struct.with_fields(crash_id.alias("crash_record_id")),
        children(VEHICLES),
        children(PEOPLE),
        crash_id.alias("crash_record_id"),
    )
