"""Each kind of fault as a client meets it; and the same seed, the same faults."""

import gzip
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from aiohttp import ClientResponse, ClientSession
from aiohttp.test_utils import TestServer

from streams.errors import RequestError
from streams.local.portal import Faults, Tables, create_app
from streams.local.portal.faults import Kind

PEOPLE = "/resource/u6pd-qa9d.json"
ROWS = [{"person_id": f"O{n}", "age": str(n), "crash_date": "2024-01-05T10:00:00.000"} for n in range(300)]


@asynccontextmanager
async def faulty(faults: Faults, tables: Tables | None = None) -> AsyncIterator[ClientSession]:
    tables = tables or Tables()
    tables.upsert("people", ROWS)
    async with (
        TestServer(create_app(tables, faults=faults)) as server,
        ClientSession(server.make_url("/"), headers={"Accept-Encoding": "identity"}, auto_decompress=False) as session,
    ):
        yield session
    tables.close()


async def asked(session: ClientSession, path: str = PEOPLE, **headers: str) -> tuple[ClientResponse, bytes]:
    async with session.get(path, headers=headers) as answer:
        return answer, await answer.read()


def is_whole(answer: ClientResponse, body: bytes) -> bool:
    plain = gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body
    return answer.status == 200 and len(json.loads(plain)) == len(ROWS)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("429", 429, b"too-many-requests"),
        ("429-seconds", 429, b"too-many-requests"),
        ("429-date", 429, b"too-many-requests"),
        ("500", 500, b'"Internal error"'),
        ("502", 502, b"<h1>502"),
        ("503", 503, b"Unavailable"),
        ("408", 408, b"request-timeout"),
        ("202", 202, b""),
        ("no-array", 200, b'{"error": true'),
    ],
)
async def test_a_refusal_has_its_status_and_its_body(kind: str, status: int, body: bytes) -> None:
    faults = Faults(1, 1.0, [kind])
    async with faulty(faults) as session:
        answer, content = await asked(session)
        assert answer.status == status
        assert body in content
        assert bool(body) == bool(content)
        assert faults.happened == {kind: 1}
        faults.stop()
        assert is_whole(*await asked(session))


async def test_retry_after_comes_in_seconds_or_as_a_date_of_the_portals_clock() -> None:
    for kind, seconds in (("429", None), ("429-seconds", 1), ("429-date", 1)):
        tables = Tables()
        tables.clock = lambda: datetime(2024, 5, 31, 12, 0, 0, 500_000, UTC)
        async with faulty(Faults(1, 1.0, [kind]), tables) as session:
            answer, _ = await asked(session)
            said = answer.headers.get("Retry-After")
            if kind == "429-date":
                assert said is not None
                said = (parsedate_to_datetime(said) - parsedate_to_datetime(answer.headers["Date"])).total_seconds()
            assert (None if said is None else float(said)) == seconds


async def test_what_was_accepted_is_answered_when_asked_again() -> None:
    async with faulty(Faults(1, 1.0, [Kind.ACCEPTED])) as session:
        statuses = [(await asked(session, f"{PEOPLE}?$limit={limit}"))[0].status for limit in (1, 2, 2, 1, 1)]
    assert statuses == [202, 202, 200, 200, 202]


async def test_a_short_body_ends_before_its_length() -> None:
    async with faulty(Faults(1, 1.0, [Kind.SHORT_BODY])) as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            await asked(session)


@pytest.mark.parametrize(
    ("kind", "damage"), [(Kind.SHORT_GZIP, (EOFError,)), (Kind.BROKEN_JSON, (json.JSONDecodeError,))]
)
async def test_a_damaged_body_has_the_length_it_says(kind: Kind, damage: tuple[type[Exception], ...]) -> None:
    async with faulty(Faults(1, 1.0, [kind])) as session:
        answer, body = await asked(session, **{"Accept-Encoding": "gzip"})
        assert int(answer.headers["Content-Length"]) == len(body)
        with pytest.raises(damage):
            is_whole(answer, body)
        answer, body = await asked(session)
        with pytest.raises(json.JSONDecodeError):
            is_whole(answer, body)


async def test_a_reset_comes_before_any_byte() -> None:
    faults = Faults(1, 1.0, [Kind.RESET])
    async with faulty(faults) as session:
        with pytest.raises(aiohttp.ClientOSError, match="reset"):
            await asked(session)
        faults.stop()
        assert is_whole(*await asked(session))


async def test_dripping_takes_about_a_second_and_nothing_is_lost() -> None:
    async with faulty(Faults(1, 1.0, [Kind.DRIP])) as session:
        began = time.monotonic()
        assert is_whole(*await asked(session, **{"Accept-Encoding": "gzip"}))
        assert 0.6 < time.monotonic() - began < 3


async def test_a_stale_replica_answers_with_the_rows_of_before_and_says_so() -> None:
    faults, tables = Faults(1, 1.0, [Kind.STALE]), Tables()
    async with faulty(faults, tables) as session:
        tables.upsert("people", [{"person_id": "O1", "age": "99"}, {"person_id": "new", "age": "1"}])
        tables.delete("people", ["O2"])
        stale, body = await asked(session)
        assert stale.headers["X-SODA2-Data-Out-Of-Date"] == "true"
        assert {row["person_id"]: row["age"] for row in json.loads(body)} == {r["person_id"]: r["age"] for r in ROWS}
        # The tag is that of the old state: a client that asks for news of it is told there is none.
        tag = stale.headers["ETag"]
        unchanged, body = await asked(session, **{"If-None-Match": tag})
        assert (unchanged.status, body) == (304, b"")
        assert unchanged.headers["X-SODA2-Data-Out-Of-Date"] == "true"
        faults.stop()
        fresh, body = await asked(session, **{"If-None-Match": tag})
        assert fresh.status == 200
        assert "X-SODA2-Data-Out-Of-Date" not in fresh.headers
        rows = {row["person_id"]: row["age"] for row in json.loads(body)}
        assert (rows["O1"], rows["new"], "O2" in rows) == ("99", "1", False)


async def test_the_replica_follows_after_a_while() -> None:
    now = datetime(2024, 5, 31, 12, tzinfo=UTC)
    tables = Tables()
    tables.clock = lambda: now
    async with faulty(Faults(1, 1.0, [Kind.STALE]), tables) as session:
        counts = []
        for number in range(6):
            now += timedelta(minutes=4)
            tables.upsert("people", [{"person_id": f"late {number}"}])
            _, body = await asked(session, f"{PEOPLE}?$select=count(*)")
            counts.append(int(json.loads(body)[0]["count"]) - len(ROWS))
    assert counts == [0, 0, 2, 2, 2, 5]


async def test_what_is_no_page_of_rows_is_not_damaged() -> None:
    faults = Faults(1, 1.0, [Kind.SHORT_BODY, Kind.BROKEN_JSON, Kind.DRIP])
    async with faulty(faults) as session:
        answer, body = await asked(session, f"{PEOPLE}?$where=nonsense=1")
        assert (answer.status, json.loads(body)["errorCode"]) == (400, "query.soql.no-such-column")
        assert not faults.happened


def drawn(seed: int, rate: float, kinds: Iterable[Kind] = Kind) -> list[Kind | None]:
    faults = Faults(seed, rate, kinds)
    return [faults.next(str(number)) for number in range(1000)]


def test_the_same_seed_gives_the_same_faults_at_the_rate_and_of_every_kind() -> None:
    faults = drawn(7, 0.3)
    assert drawn(7, 0.3) == faults
    assert drawn(8, 0.3) != faults
    assert 0.25 < sum(kind is not None for kind in faults) / 1000 < 0.35
    assert set(faults) == {None, *Kind}
    assert set(drawn(7, 0.0)) == {None}


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Faults(1, 1.5), "rate"),
        (lambda: Faults(1, 0.5, ["earthquake"]), "kinds"),
        (lambda: Faults(1, 0.5, []), "kinds"),
        (lambda: Faults.parse("often"), "--faults"),
        (lambda: Faults.parse("1:9"), "rate"),
    ],
)
def test_faults_that_cannot_be_are_refused(make: Callable[[], Faults], field: str) -> None:
    with pytest.raises(RequestError) as refusal:
        make()
    assert refusal.value.field == field
    assert refusal.value.hint
