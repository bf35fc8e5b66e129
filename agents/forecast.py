"""Gold → `forecast-ready`: what is to be expected of the next days, anew every day."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Never, cast

import polars as pl
import structlog

from models.forecast.counts import DAILY, DAYS, LAGS
from streams.errors import CrashStreamError
from streams.publisher import Emit
from streams.records import ForecastReady
from streams.storage.forecasts import Forecasts
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import MOST_ROWS
from streams.topics import FORECAST_READY

log = structlog.get_logger()

LOOK_SECONDS: Final = 60.0

# What a forecast is made of: the days there are. A new day is new data, as is a month that was copied.
_BASIS: Final = """
    select
        concat_ws(' days to ', count(distinct crash_date::date), max(crash_date)::date) as basis,
        (select any_value(basis) from forecast_backtests) as made_of
    from crashes having count(crash_date) > 0
"""


async def forecast_ever(gold: GoldClient, forecasts: Forecasts, owns: Callable[[], bool], emit: Emit) -> Never:
    """Forecast whenever Gold has other days than at the last forecast, where this process `owns` that.

    Days that are still coming in, as those of a backfill, are waited for.
    """
    before = None
    while True:
        try:
            if owns():
                now, made_of = await _basis(gold)
                if now == before != made_of:
                    await make_forecast(str(now), gold, forecasts, emit)
                before = now
        except CrashStreamError as error:
            log.warning("no forecast", error=type(error).__name__, reason=str(error))
        await asyncio.sleep(LOOK_SECONDS)


async def make_forecast(basis: str, gold: GoldClient, forecasts: Forecasts, emit: Emit) -> None:
    """Forecast from what is in Gold now, keep it, and tell Gold."""
    # A trainer that has nothing to do yet is spared the libraries: it starts in half the time.
    from models.forecast.forecast import forecast

    daily = await _frame(gold, DAILY, days=DAYS)
    made = await asyncio.to_thread(forecast, daily, await _frame(gold, LAGS))
    forecast_id = await forecasts.keep(made.forecasts, made.backtests)
    await emit(FORECAST_READY, ForecastReady(forecast_id=forecast_id, basis=basis))
    log.info("forecast", forecast_id=forecast_id, rows=made.forecasts.height, basis=basis)
    await forecasts.expire()


async def _basis(gold: GoldClient) -> tuple[str | None, str | None]:
    rows = (await gold.query(_BASIS)).table.to_pylist()
    return (rows[0]["basis"], rows[0]["made_of"]) if rows else (None, None)


async def _frame(gold: GoldClient, sql: str, **parameters: Any) -> pl.DataFrame:
    answer = await gold.query(sql, limit=MOST_ROWS, parameters=parameters)
    return cast(pl.DataFrame, pl.from_arrow(answer.table))
