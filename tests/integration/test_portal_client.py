"""Each answer of the portal that is no page is an error of its own kind: retriable or not, and with a remedy."""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.domain.schemas import CRASHES
from streams.errors import MalformedPage, PortalDenied, PortalRejected, PortalUnavailable
from streams.records import Cursor
from streams.socrata.client import Portal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JANUARY = (date(2024, 1, 1), date(2024, 2, 1))


@asynccontextmanager
async def answering(handler: Handler, app_token: str | None = None) -> AsyncIterator[Portal]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    async with (
        TestServer(app) as server,
        Portal.connect(str(server.make_url("")).rstrip("/"), app_token) as portal,
    ):
        yield portal


def always(status: int, body: object = None, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(
            body, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    return handler


async def page(portal: Portal) -> bytes:
    return (await portal.page(CRASHES, *JANUARY, None, 10)).body


@pytest.mark.parametrize("status", [202, 408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_retriable(status: int) -> None:
    async with answering(always(status, {"code": "x", "message": "later"})) as portal:
        with pytest.raises(PortalUnavailable, match=f"{status}.*later") as failed:
            await page(portal)
    assert failed.value.retriable


async def test_retry_after_is_understood_in_both_forms() -> None:
    async with answering(always(429, {}, Retry_After="7")) as portal:
        with pytest.raises(PortalUnavailable) as failed:
            await page(portal)
    assert failed.value.retry_after == 7
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    async with answering(always(503, {}, Retry_After=at)) as portal:
        with pytest.raises(PortalUnavailable) as failed:
            await page(portal)
    assert 25 <= (failed.value.retry_after or 0) <= 30


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
    async with answering(always(status, body)) as portal:
        with pytest.raises(PortalRejected, match=says) as failed:
            await page(portal)
    assert not failed.value.retriable
    assert "resource/85ca-t3if.json" in str(failed.value)


async def test_a_wrong_token_is_reported_as_such() -> None:
    async with answering(always(403, {"code": "permission_denied", "message": "Invalid app_token"}), "bad") as portal:
        with pytest.raises(PortalDenied, match="CRASH_PORTAL_APP_TOKEN"):
            await page(portal)


async def test_the_token_is_sent_and_gzip_is_asked_for() -> None:
    seen: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.json_response([])

    async with answering(handler, "mine") as portal:
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


def cut(body: bytes, keep: int) -> Handler:
    """Announce a body and hang up in the middle of it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Encoding": "gzip"})
        await response.prepare(request)
        await response.write(body[:keep])
        assert request.transport
        request.transport.close()
        return response

    return handler


async def test_a_body_cut_short_is_never_taken_for_a_page() -> None:
    body = gzip.compress(json.dumps([{"crash_record_id": str(n)} for n in range(500)]).encode())
    async with answering(cut(body, len(body) // 2)) as portal:
        with pytest.raises(PortalUnavailable):
            await page(portal)


@pytest.mark.parametrize("keep", [0.5, 0.99])
async def test_gzip_that_ends_early_is_never_taken_for_a_page(keep: float) -> None:
    body = gzip.compress(json.dumps([{"crash_record_id": str(n)} for n in range(500)]).encode())

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body[: int(len(body) * keep)], headers={"Content-Encoding": "gzip"})

    async with answering(handler) as portal:
        with pytest.raises(PortalUnavailable, match="cut short"):
            await page(portal)


async def test_a_portal_that_is_not_there_is_named() -> None:
    async with Portal.connect("http://127.0.0.1:1", None) as portal:
        with pytest.raises(PortalUnavailable, match=r"http://127\.0\.0\.1:1 does not answer.*CRASH_PORTAL_URL"):
            await page(portal)


async def test_a_count_that_is_not_understood_is_malformed() -> None:
    async with answering(always(200, [{"rows": "3"}])) as portal:
        with pytest.raises(MalformedPage, match="count of crashes"):
            await portal.held(CRASHES, *JANUARY)


async def test_a_lagging_replica_says_so() -> None:
    async with answering(always(200, [], X_SODA2_Data_Out_Of_Date="true")) as portal:
        assert (await portal.page(CRASHES, *JANUARY, None, 10)).out_of_date
