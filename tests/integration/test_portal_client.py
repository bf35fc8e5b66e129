"""The portal over HTTP: what may pass is asked again, what will not is an error of its own kind with a remedy.

No body is ever taken for an answer that is not whole.
"""

import asyncio
import gzip
import json
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.domain.schemas import CRASHES
from streams.errors import MalformedPage, PortalDenied, PortalRejected, PortalUnavailable
from streams.records import Cursor
from streams.socrata.answer import Answer
from streams.socrata.client import Patience, Portal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JANUARY = (date(2024, 1, 1), date(2024, 2, 1))
ROWS = [{"crash_record_id": str(n)} for n in range(500)]
# As patient as ever, on a faster clock.
QUICK = Patience(budget=10, tries=3, malformed_tries=2, first_delay=0.01, longest_delay=0.02, poll=0.01)


@asynccontextmanager
async def answering(
    *handlers: Handler, app_token: str | None = None, patience: Patience = QUICK, concurrency: int = 4
) -> AsyncIterator[Portal]:
    """A portal that answers one request after another by `handlers`, all later ones by the last of them."""
    later = list(handlers)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await (later.pop(0) if len(later) > 1 else later[0])(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        async with Portal.connect(url, app_token, patience=patience, concurrency=concurrency) as portal:
            yield portal


def always(status: int, body: object = None, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(
            body, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    return handler


def sending(body: bytes, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={name.replace("_", "-"): v for name, v in headers.items()})

    return handler


def counting(handler: Handler) -> tuple[Handler, Counter[str]]:
    asked: Counter[str] = Counter()

    async def counted(request: web.Request) -> web.StreamResponse:
        asked["times"] += 1
        return await handler(request)

    return counted, asked


async def page(portal: Portal) -> bytes:
    return (await portal.page(CRASHES, *JANUARY, None, 10)).body


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_asked_again_until_patience_runs_out(status: int) -> None:
    handler, asked = counting(always(status, {"code": "x", "message": "later"}))
    async with answering(handler) as portal:
        with pytest.raises(PortalUnavailable, match=f"{status}.*later.*3 tries") as failed:
            await page(portal)
    assert failed.value.retriable
    assert asked["times"] == QUICK.tries


async def test_what_passes_is_not_noticed_by_who_asked() -> None:
    failures = [always(503), reset, cut(0.5), sending(b"<html>")]
    async with answering(*failures, always(200, ROWS), patience=replace(QUICK, tries=5)) as portal:
        assert json.loads(await page(portal)) == ROWS


async def test_an_answer_in_the_making_is_asked_for_until_it_is_made() -> None:
    """More often than what fails is tried."""
    async with answering(*[always(202)] * 3 * QUICK.tries, always(200, ROWS)) as portal:
        assert json.loads(await page(portal)) == ROWS


async def test_an_answer_for_ever_in_the_making_ends_with_the_budget() -> None:
    async with answering(always(202), patience=replace(QUICK, budget=0.2)) as portal:
        with pytest.raises(PortalUnavailable, match=r"202.*given up after 0\.2 s"):
            await page(portal)


async def test_retry_after_is_understood_in_both_forms() -> None:
    async with answering(always(429, {}, Retry_After="70")) as portal:
        with pytest.raises(PortalUnavailable, match="429") as failed:
            await page(portal)
    assert failed.value.retry_after == pytest.approx(70, abs=2)
    # By the portal's clock, which is far from ours.
    now = datetime(2001, 1, 1, tzinfo=UTC)
    dates = {"Date": now, "Retry_After": now + timedelta(seconds=50)}
    headers = {name: format_datetime(moment, usegmt=True) for name, moment in dates.items()}
    async with answering(always(503, {}, **headers)) as portal:
        with pytest.raises(PortalUnavailable, match="503") as failed:
            await page(portal)
    assert failed.value.retry_after == pytest.approx(50, abs=2)


@pytest.mark.parametrize("days", ["864000", "9" * 400, "Fri, 01 Jan 2100 00:00:00 GMT"])
async def test_an_absurd_retry_after_is_heeded_for_a_while_only(days: str) -> None:
    handler, asked = counting(always(429, {}, Retry_After=days))
    async with answering(handler, patience=replace(QUICK, longest_pause=60)) as portal:
        for _ in range(2):  # and no other question is put to it meanwhile
            with pytest.raises(PortalUnavailable) as failed:
                await page(portal)
            assert failed.value.retry_after == pytest.approx(60, abs=2)
    assert asked["times"] == 1


async def test_one_retry_after_pauses_every_request() -> None:
    times: list[float] = []

    async def handler(_: web.Request) -> web.Response:
        times.append(time.monotonic())
        return web.json_response([], status=429 if len(times) == 1 else 200, headers={"Retry-After": "1"})

    async with answering(handler) as portal:
        first = asyncio.create_task(page(portal))
        while portal.throttle.paused == 0:
            await asyncio.sleep(0.001)
        await asyncio.gather(first, *(page(portal) for _ in range(3)))
    assert len(times) == 5
    assert min(times[1:]) - times[0] > 0.95


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    under_way = 0
    most = 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return web.json_response([])

    async with answering(handler, concurrency=3) as portal:
        await asyncio.gather(*(page(portal) for _ in range(15)))
    assert most == 3


async def test_refusals_halve_the_rate_and_answers_give_it_back() -> None:
    async with answering(always(429), always(503), always(200, [])) as portal:
        full = portal.throttle.rate
        await page(portal)
        assert portal.throttle.rate == pytest.approx(full * (1 / 4 + 1 / 100))
        for _ in range(80):
            await page(portal)
        assert portal.throttle.rate == full


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (
            400,
            {"errorCode": "query.soql.no-such-column", "message": "Query coordinator error: no-such-column; colour"},
            "query.soql.no-such-column.*colour",
        ),
        (404, {"code": "dataset.missing", "error": True, "message": "Not found"}, "dataset.missing Not found"),
        (414, "a page of HTML", "414"),
    ],
)
async def test_what_will_never_pass_is_rejected_in_either_envelope(status: int, body: object, says: str) -> None:
    handler, asked = counting(always(status, body))
    async with answering(handler) as portal:
        with pytest.raises(PortalRejected, match=says) as failed:
            await page(portal)
    assert not failed.value.retriable
    assert "resource/85ca-t3if.json" in str(failed.value)
    assert asked["times"] == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_token_is_reported_as_such_at_once(status: int) -> None:
    handler, asked = counting(always(status, {"code": "permission_denied", "message": "Invalid app_token"}))
    async with answering(handler, app_token="bad") as portal:
        with pytest.raises(PortalDenied, match="CRASH_PORTAL_APP_TOKEN"):
            await page(portal)
    assert asked["times"] == 1


async def test_the_token_is_sent_and_gzip_is_asked_for() -> None:
    seen: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.json_response([])

    async with answering(handler, app_token="mine") as portal:
        assert await page(portal) == b"[]"
    assert (seen["X-App-Token"], seen["Accept-Encoding"]) == ("mine", "gzip")


async def test_a_keyset_page_asks_for_a_total_order_and_quotes_its_cursor() -> None:
    """Defects 4 and 6: ties are dropped by `>` alone, and pages without an order overlap."""
    asked: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        asked.update(request.query)
        return web.json_response([])

    async with answering(handler) as portal:
        await portal.page(CRASHES, *JANUARY, Cursor(updated_at="2024-01-05T00:00:00.000Z", row_id="row-o'k"), 50_000)
    assert asked["$order"] == ":updated_at,:id"
    assert asked["$select"] == ":*,*"
    assert asked["$limit"] == "50000"
    assert asked["$where"] == (
        "crash_date >= '2024-01-01T00:00:00' and crash_date < '2024-02-01T00:00:00'"
        " and (:updated_at > '2024-01-05T00:00:00.000Z'"
        " or (:updated_at = '2024-01-05T00:00:00.000Z' and :id > 'row-o''k'))"
    )


ZIPPED = gzip.compress(json.dumps(ROWS).encode())


def cut(share: float) -> Handler:
    """Announce a body and hang up in the middle of it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(ZIPPED)), "Content-Encoding": "gzip"})
        await response.prepare(request)
        await response.write(ZIPPED[: int(len(ZIPPED) * share)])
        assert request.transport
        request.transport.close()
        return response

    return handler


async def reset(request: web.Request) -> web.StreamResponse:
    """Reset the connection before any byte."""
    assert request.transport
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("lost", [cut(0.5), cut(0.999), reset])
async def test_a_lost_connection_is_never_taken_for_an_answer(lost: Handler) -> None:
    async with answering(lost) as portal:
        with pytest.raises(PortalUnavailable, match="3 tries"):
            await page(portal)


MALFORMED = {
    "a page of a proxy": sending(b"<html><body>Please log in</body></html>", Content_Type="text/html"),
    "nothing": sending(b""),
    "an array that does not end": sending(json.dumps(ROWS).encode()[:-1]),
    "an array cut by its announced length": sending(json.dumps(ROWS).encode()[:700]),
    "no text": sending(b'[{"crash_record_id": "\xff"}]'),
    "an error of status 200": always(200, {"error": True, "message": "Internal error"}),
    "an array of something else": always(200, [ROWS[0], 3]),
    "depths": sending(b"[" * 100_000),
    "half a gzip": sending(ZIPPED[: len(ZIPPED) // 2], Content_Encoding="gzip"),
    "gzip without its end": sending(ZIPPED[:-1], Content_Encoding="gzip"),
    "gzip of other content": sending(ZIPPED[:-8] + bytes(8), Content_Encoding="gzip"),
    "no gzip": sending(b"[]", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_body_is_asked_for_again_and_never_returned(malformed: Handler) -> None:
    async with answering(malformed, always(200, ROWS)) as portal:
        assert json.loads(await page(portal)) == ROWS
    handler, asked = counting(malformed)
    async with answering(handler) as portal:
        with pytest.raises(MalformedPage, match="the portal's answer") as failed:
            await page(portal)
    assert not failed.value.retriable
    assert asked["times"] == QUICK.malformed_tries


async def test_one_malformed_body_among_other_failures_is_no_last_word() -> None:
    async with answering(always(503), always(503), sending(b"<html>")) as portal:
        with pytest.raises(PortalUnavailable, match=r"no JSON.*3 tries"):
            await page(portal)


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


def dripping(pause: float) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(pause)

    return handler


@pytest.mark.parametrize(
    ("handler", "limit", "says"),
    [
        (hang, {"first_byte": 0.1}, r"has not begun to answer, after 0\.1 s"),
        (dripping(60), {"silence": 0.1}, r"fell silent amid its answer, after 0\.1 s"),
        (dripping(0.01), {"whole": 0.2}, r"has not ended its answer, after 0\.2 s"),
        (hang, {"budget": 0.2}, r"no answer.* within 0\.2 s"),
    ],
)
async def test_each_wait_has_an_end_and_says_which(handler: Handler, limit: dict[str, float], says: str) -> None:
    async with answering(handler, patience=replace(QUICK, **{"tries": 1, **limit})) as portal:
        with pytest.raises(PortalUnavailable, match=says):
            await page(portal)


async def test_a_portal_that_does_not_take_connections_is_not_waited_for() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        with socket.create_connection(deaf.getsockname()):  # and with it its backlog is full
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            async with Portal.connect(url, None, patience=replace(QUICK, connect=0.1, tries=1)) as portal:
                with pytest.raises(PortalUnavailable, match=r"cannot be reached within 0\.1 s"):
                    await page(portal)


async def test_a_portal_that_is_not_there_is_named() -> None:
    async with Portal.connect("http://127.0.0.1:1", None, patience=QUICK) as portal:
        with pytest.raises(PortalUnavailable, match=r"http://127\.0\.0\.1:1 does not answer.*CRASH_PORTAL_URL"):
            await page(portal)


async def test_a_count_that_is_not_understood_is_malformed() -> None:
    async with answering(always(200, [{"rows": "3"}])) as portal:
        with pytest.raises(MalformedPage, match="count of crashes"):
            await portal.held(CRASHES, *JANUARY)


async def test_a_lagging_replica_says_so() -> None:
    async with answering(always(200, [], X_SODA2_Data_Out_Of_Date="true")) as portal:
        assert (await portal.page(CRASHES, *JANUARY, None, 10)).out_of_date


async def test_an_answer_tells_the_portals_clock_its_etag_and_its_columns() -> None:
    headers = {
        "Date": "Mon, 01 Jan 2024 10:00:00 GMT",
        "ETag": '"abc"',
        "X_SODA2_Fields": '["crash_date","lane_cnt"]',
        "X_SODA2_Types": '["floating_timestamp","number"]',
    }
    async with answering(always(200, [], **headers), always(200, [], Date="yesterday")) as portal:
        answers: list[Answer] = [await portal.page(CRASHES, *JANUARY, None, 10) for _ in range(2)]
    assert answers[0].at == datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert answers[0].etag == '"abc"'
    assert answers[0].fields == {"crash_date": "floating_timestamp", "lane_cnt": "number"}
    assert (answers[1].at, answers[1].etag, answers[1].fields) == (None, None, {})


async def test_what_is_zipped_is_kept_as_received() -> None:
    async with answering(sending(ZIPPED, Content_Encoding="gzip")) as portal:
        answer = await portal.page(CRASHES, *JANUARY, None, 10)
    assert (answer.raw, answer.encoding, json.loads(answer.body)) == (ZIPPED, "gzip", ROWS)
