"""What polls and audits ask, put to a portal that knows SoQL: complete, in order, and never from old rows."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestServer

from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES, Table
from streams.errors import PortalUnavailable
from streams.local.portal import Faults, Tables, create_app
from streams.local.portal.faults import Kind
from streams.records import Cursor
from streams.socrata.answer import Answer
from streams.socrata.client import Patience, Portal

SPAN = (date(2023, 12, 1), date(2024, 3, 1))
MONDAY = datetime(2024, 3, 4, 10, tzinfo=UTC)
QUICK = Patience(budget=20, first_delay=0.01, longest_delay=0.05, poll=0.01)


def crash(number: int) -> dict[str, Any]:
    day = datetime(2023, 11, 25, 23, 30) + timedelta(hours=24 * number)
    return {"crash_record_id": f"{number:0128x}", "crash_date": day.isoformat(timespec="milliseconds")}


ROWS = [crash(number) for number in range(130)]
WITHIN = {row["crash_record_id"] for row in ROWS if "2023-12-01" <= row["crash_date"] < "2024-03-01"}


@pytest.fixture
def tables() -> Iterator[Tables]:
    tables = Tables()
    # Three publications, each of a third of the rows, which share its stamp.
    for publication in range(3):
        tables.upsert("crashes", ROWS[publication::3], at=MONDAY + timedelta(hours=publication))
    yield tables
    tables.close()


@asynccontextmanager
async def asking(tables: Tables, faults: Faults | None = None) -> AsyncIterator[Portal]:
    async with (
        TestServer(create_app(tables, faults=faults)) as server,
        Portal.connect(str(server.make_url("")).rstrip("/"), None, patience=QUICK) as portal,
    ):
        yield portal


@pytest.fixture
async def portal(tables: Tables) -> AsyncIterator[Portal]:
    async with asking(tables) as portal:
        yield portal


def rows(answer: Answer | None) -> list[dict[str, Any]]:
    assert answer
    found: list[dict[str, Any]] = list(answer.rows)
    return found


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [row["crash_record_id"] for row in found]


async def test_keys_are_all_of_the_span_whatever_the_size_of_a_page(portal: Portal) -> None:
    assert len(WITHIN) == 91
    for page_rows in (7, len(WITHIN), 50_000):
        assert await portal.keys(CRASHES, *SPAN, page_rows=page_rows) == WITHIN
    assert await portal.keys(CRASHES, date(2030, 1, 1), date(2031, 1, 1)) == set()


async def test_keys_that_are_numbers_are_paged_as_numbers(tables: Tables, portal: Portal) -> None:
    unit = {"crash_record_id": "c", "crash_date": "2024-01-05T10:00:00.000"}
    units = [unit | {"crash_unit_id": str(number)} for number in (9, 10, 99, 100, 1_000_000)]
    tables.upsert("vehicles", units)
    assert await portal.keys(VEHICLES, *SPAN, page_rows=2) == {unit["crash_unit_id"] for unit in units}
    assert set(await portal.confirm(VEHICLES, ["10", "11"])) == {"10"}


async def test_counts_are_by_crash_month(portal: Portal) -> None:
    expected = Counter(row["crash_date"][:7] for row in ROWS if row["crash_record_id"] in WITHIN)
    assert await portal.counts(CRASHES, *SPAN) == expected
    assert await portal.counts(PEOPLE, *SPAN) == {}


async def test_of_many_keys_those_that_exist_are_confirmed_with_their_crash_dates(
    tables: Tables, portal: Portal
) -> None:
    tables.upsert("crashes", [{"crash_record_id": "undated"}, {"crash_record_id": "o'clock, %27"}])
    absent = [f"{number:0128x}" for number in range(5000, 5100)]
    dates = {row["crash_record_id"]: row["crash_date"] for row in ROWS}
    expected = dates | {"undated": None, "o'clock, %27": None}
    assert await portal.confirm(CRASHES, [*absent, *expected]) == expected
    assert await portal.confirm(CRASHES, []) == {}


@pytest.mark.parametrize("table", [CRASHES, PEOPLE])
async def test_old_rows_are_no_ground_for_a_deletion(tables: Tables, table: Table) -> None:
    async with asking(tables, Faults(1, 1.0, [Kind.STALE])) as portal:
        tables.republish(table.dataset)
        for question in (portal.keys(table, *SPAN), portal.confirm(table, ["a"])):
            with pytest.raises(PortalUnavailable, match=f"lagging replica.*{table.dataset}") as refused:
                await question
            assert refused.value.retry_after


async def follow(portal: Portal, since: date, from_time: datetime | None, limit: int) -> list[dict[str, Any]]:
    """Read changes to their end, as a poll does."""
    found: list[dict[str, Any]] = []
    after = None
    while page := rows(await portal.changes(CRASHES, since, after, from_time, limit, None)):
        found += page
        after = Cursor(updated_at=page[-1][":updated_at"], row_id=page[-1][":id"])
    return found


@pytest.mark.parametrize("limit", [4, 1000])
async def test_changes_are_complete_and_in_order_over_shared_stamps(portal: Portal, limit: int) -> None:
    since = date(2024, 3, 1)
    found = await follow(portal, since, None, limit)
    assert sorted(ids(found)) == sorted(row["crash_record_id"] for row in ROWS if row["crash_date"] >= "2024-03-01")
    stamps = [(row[":updated_at"], row[":id"]) for row in found]
    assert stamps == sorted(stamps)
    assert len({stamp for stamp, _ in stamps}) == 3


async def test_changes_begin_at_a_time_or_past_a_cursor(portal: Portal) -> None:
    second = MONDAY + timedelta(hours=1)
    found = await follow(portal, date.min, second, 100)
    assert {row[":updated_at"] for row in found} == {"2024-03-04T11:00:00.000Z", "2024-03-04T12:00:00.000Z"}
    assert len(found) == len(ROWS[1::3]) + len(ROWS[2::3])
    # Whatever zone the time is told in; and a cursor goes before it.
    assert ids(await follow(portal, date.min, second.astimezone(ZoneInfo("America/Chicago")), 1000)) == ids(found)
    last = Cursor(updated_at=found[-2][":updated_at"], row_id=found[-2][":id"])
    assert rows(await portal.changes(CRASHES, date.min, last, second, 10, None)) == found[-1:]


async def test_changes_are_none_while_nothing_has_changed(tables: Tables, portal: Portal) -> None:
    async def ask(etag: str | None) -> Answer | None:
        return await portal.changes(CRASHES, SPAN[0], None, MONDAY, 1000, etag)

    first = await ask(None)
    assert first
    assert first.etag
    assert first.at
    assert await ask(first.etag) is None
    tables.upsert("crashes", [ROWS[60] | {"damage": "OVER $1,500"}], at=MONDAY + timedelta(hours=9))
    second = await ask(first.etag)
    assert rows(second)[-1]["crash_record_id"] == ROWS[60]["crash_record_id"]


async def test_answers_are_the_same_from_a_portal_that_misbehaves(tables: Tables) -> None:
    """Half of all requests fail, in every way but by old rows and pauses of a second."""
    slow = {Kind.STALE, Kind.THROTTLED_FOR_SECONDS, Kind.THROTTLED_UNTIL, Kind.DRIP}
    faults = Faults(7, 0.5, set(Kind) - slow)
    async with asking(tables, faults) as portal:
        assert await portal.keys(CRASHES, *SPAN, page_rows=15) == WITHIN
        assert sum((await portal.counts(CRASHES, *SPAN)).values()) == len(WITHIN)
        assert sorted(ids(await follow(portal, date.min, None, 10))) == sorted(ids(ROWS))
    assert sum(faults.happened.values()) > 10
