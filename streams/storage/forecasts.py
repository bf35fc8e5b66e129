"""Forecasts as objects, for Gold to take: named by their content, in the bucket `models`."""

import io
from contextlib import suppress
from hashlib import sha256
from typing import Final

import polars as pl

from streams.errors import ObjectExists
from streams.storage.objects import Objects

BUCKET: Final = "models"
_FOLDER: Final = "forecasts/"
_PARTS: Final = ("forecasts", "backtests")
# One is made a day, and each is of use for a moment: until Gold has it.
_KEPT: Final = 30


class Forecasts:
    """Keeps forecasts and their backtests, the newest of them."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def keep(self, forecasts: pl.DataFrame, backtests: pl.DataFrame) -> str:
        """Keep a forecast; returns its id. The same one again changes nothing."""
        bodies = [_parquet(forecasts), _parquet(backtests)]
        forecast_id = sha256(b"".join(bodies)).hexdigest()[:16]
        for part, body in zip(_PARTS, bodies, strict=True):
            with suppress(ObjectExists):
                await self._objects.put(BUCKET, _key(forecast_id, part), body, if_absent=True)
        return forecast_id

    async def read(self, forecast_id: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """A forecast and its backtests. Raises `ObjectMissing`."""
        bodies = [await self._objects.get(BUCKET, _key(forecast_id, part)) for part in _PARTS]
        forecasts, backtests = (pl.read_parquet(body) for body, _ in bodies)
        return forecasts, backtests

    async def expire(self) -> None:
        """Delete all but the newest."""
        listed = [info async for info in self._objects.list(BUCKET, _FOLDER)]
        listed.sort(key=lambda info: info.modified)
        await self._objects.delete(BUCKET, [info.key for info in listed[: -_KEPT * len(_PARTS)]])


def _key(forecast_id: str, part: str) -> str:
    return f"{_FOLDER}{forecast_id}/{part}.parquet"


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()
