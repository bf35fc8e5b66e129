"""Deleting the versions of Silver that are past their time."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from streams.delivery import retry
from streams.errors import CrashStreamError
from streams.storage.silver import Silver

log = structlog.get_logger()

EVERY_SECONDS: Final = 3600


async def expire(silver: Silver, keep: timedelta, now: datetime) -> int:
    """Delete every version and delta without which all times since `now - keep` can be read; returns how many."""
    return sum([await silver.expire(month, now - keep) for month in await silver.months()])


async def expire_hourly(silver: Silver, keep: timedelta) -> None:
    """Expire now and then every hour, for as long as the process runs. A failure waits for the next hour."""
    while True:
        try:
            deleted = await retry(partial(expire, silver, keep, datetime.now(UTC)))
            log.info("versions expired", objects=deleted, kept_days=keep.days)
        except CrashStreamError as error:
            log.error("versions not expired", reason=str(error))
        await asyncio.sleep(min(EVERY_SECONDS, keep.total_seconds()))
