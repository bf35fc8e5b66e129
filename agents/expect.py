"""`forecast-ready` → Gold: have Gold say what is to be expected."""

import asyncio
from collections.abc import Sequence

from streams.records import ForecastReady
from streams.storage.forecasts import Forecasts
from streams.storage.gold.gold import Gold


async def expect(ready: Sequence[ForecastReady], forecasts: Forecasts, gold: Gold) -> None:
    """Bring Gold to the newest of the forecasts that are ready."""
    newest = max(ready, key=lambda one: one.made_at)
    rows, backtests = await forecasts.read(newest.forecast_id)
    await asyncio.to_thread(gold.forecast, rows, backtests, newest)
