"""The extent of the copy: since when it holds crashes. The first start settles it, and every later one keeps to it."""

from datetime import date, datetime, timedelta
from typing import Final

import structlog
from pydantic import AwareDatetime, BaseModel

from streams.errors import ObjectMissing
from streams.publisher import Emit
from streams.records import BackfillRequest, Day
from streams.settings import Settings
from streams.storage import bronze
from streams.storage.objects import Objects
from streams.topics import BACKFILL_REQUESTS

log = structlog.get_logger()

KEY: Final = "_extent.json"
DEFAULT_DAYS: Final = 30
# The portal's first crash is of March 2013.
ALL_SINCE: Final = date(2013, 1, 1)


class Extent(BaseModel):
    """What the store remembers: the first day of the copy, and when that was settled."""

    since: Day
    settled_at: AwareDatetime


async def settle_extent(objects: Objects, settings: Settings, now: datetime, emit: Emit) -> Extent:
    """Return the extent of the copy, and ask for what it lacks.

    The first start backfills it whole; a later one with an earlier `CRASH_SINCE` backfills what lies before. A request
    is published before it is remembered, under an id of its own span: several workers that start at once, or one that
    is killed between the two, ask for the same pages again and change nothing. `now` is local to Chicago.
    """
    today = now.date()
    wanted = _wanted(settings, today)
    try:
        body, _ = await objects.get(bronze.BUCKET, KEY)
        known = Extent.model_validate_json(body)
    except ObjectMissing:
        known = None
    if known is not None and (settings.since is None or wanted >= known.since):
        return known
    end = known.since if known else today + timedelta(days=1)
    request = BackfillRequest(request_id=f"first-start-{wanted}", start=wanted, end=end, kind="first-start")
    await emit(BACKFILL_REQUESTS, request)
    extent = Extent(since=wanted, settled_at=now)
    await objects.put(bronze.BUCKET, KEY, extent.model_dump_json().encode())
    log.info("extent", since=str(wanted), until=str(end), run_id=request.request_id)
    return extent


def _wanted(settings: Settings, today: date) -> date:
    if settings.since == "all":
        return ALL_SINCE
    return settings.since or today - timedelta(days=DEFAULT_DAYS)
