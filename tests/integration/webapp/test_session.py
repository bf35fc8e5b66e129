"""Signing in on the pages: a cookie in place of the token."""

import aiohttp
import pytest

from tests.integration.webapp.serving import TOKEN, Outbox
from webapp import session

REQUEST = {"mode": "backfill", "start": "2024-01-01", "end": "2024-02-01"}


async def send(
    api: aiohttp.ClientSession, method: str, path: str, body: object = None, **headers: str
) -> tuple[aiohttp.ClientResponse, dict]:
    async with api.request(method, path, json=body, headers=headers) as answer:
        return answer, await answer.json()


async def signed_in(api: aiohttp.ClientSession) -> str:
    answer, _ = await send(api, "POST", "/api/session", {"token": TOKEN})
    assert answer.status == 200
    return answer.headers["Set-Cookie"]


async def test_whoever_signs_in_may_write_without_the_token(api: aiohttp.ClientSession, outbox: Outbox) -> None:
    _, before = await send(api, "GET", "/api/session")
    assert before == {"signed_in": False, "writing": True}
    refused, _ = await send(api, "POST", "/api/fetch/publish", REQUEST)
    assert refused.status == 401
    cookie = await signed_in(api)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    kept = cookie.split(";")[0]  # aiohttp keeps no cookies of addresses
    _, after = await send(api, "GET", "/api/session", Cookie=kept)
    assert after == {"signed_in": True, "writing": True}
    accepted, _ = await send(api, "POST", "/api/fetch/publish", REQUEST, Cookie=kept)
    assert accepted.status == 202
    assert len(outbox.records) == 1


async def test_another_site_cannot_use_the_session(api: aiohttp.ClientSession, outbox: Outbox) -> None:
    kept = (await signed_in(api)).split(";")[0]
    headers = {"Cookie": kept, "Origin": "http://elsewhere.example"}
    refused, _ = await send(api, "POST", "/api/fetch/publish", REQUEST, **headers)
    assert refused.status == 401
    assert outbox.records == []


async def test_a_wrong_token_signs_nobody_in(api: aiohttp.ClientSession) -> None:
    answer, said = await send(api, "POST", "/api/session", {"token": "not-the-token"})
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert said["error"]["field"] == "token"


@pytest.mark.parametrize("forged", ["", "x", ".", "9999999999.", "9999999999.00", "²." + "0" * 64, "é.ü"])
async def test_a_forged_session_is_none(api: aiohttp.ClientSession, forged: str) -> None:
    refused, _ = await send(api, "POST", "/api/fetch/publish", REQUEST, Cookie=f"{session.COOKIE}={forged}")
    assert refused.status == 401


def test_a_session_expires_and_ends_with_its_token() -> None:
    given = session.issue(TOKEN, now=1000)
    assert session.valid(given, TOKEN, now=1000 + session.SECONDS - 1)
    assert not session.valid(given, TOKEN, now=1000 + session.SECONDS)
    assert not session.valid(given, "a-new-token", now=1000)
    until, signature = given.split(".")
    assert not session.valid(f"{int(until) + 1}.{signature}", TOKEN, now=1000)
