"""The newest forecast as rows."""

# ruff: noqa: S608 -- the names put into SQL here are those of our own tables

import duckdb
import polars as pl

from streams.records import ForecastReady
from streams.storage.gold.lineage import utc


def replace(
    cursor: duckdb.DuckDBPyConnection, rows: pl.DataFrame, backtests: pl.DataFrame, made: ForecastReady
) -> None:
    """Write a forecast in the place of the one before it, unless that is newer."""
    at = utc(made.made_at)
    (newest,) = cursor.execute("select max(made_at) from forecast_backtests").fetchall()[0]
    if newest and newest > at:
        return
    made_at = pl.lit(at, pl.Datetime("us")).alias("made_at")
    tables = {
        "forecasts": rows.with_columns(made_at),
        "forecast_backtests": backtests.with_columns(made_at, basis=pl.lit(made.basis)),
    }
    for name, frame in tables.items():
        cursor.execute(f"delete from {name}")
        cursor.register("new_forecast", frame)
        cursor.execute(f"insert into {name} by name from new_forecast")
        cursor.unregister("new_forecast")
