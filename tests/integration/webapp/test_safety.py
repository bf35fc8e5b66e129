"""Headers that every answer carries, whoever gives it, and where nothing may come from elsewhere."""

import re

import aiohttp
import pytest


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/nowhere", "/assets/style.css", "/_dash-layout", "/api/gold/status", "/api/nowhere", "/api/health"],
)
async def test_every_answer_carries_the_security_headers(api: aiohttp.ClientSession, path: str) -> None:
    async with api.get(path, headers={"Origin": "http://elsewhere.example"}) as response:
        headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert re.fullmatch(r"[0-9a-f]{16}", headers["X-Request-ID"])
    scripts = next(rule for rule in headers["Content-Security-Policy"].split("; ") if rule.startswith("script-src"))
    assert "unsafe" not in scripts
    assert not any(name.lower().startswith("access-control-") for name in headers)


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_nothing_from_elsewhere(api: aiohttp.ClientSession, path: str) -> None:
    """The first request of all may be for any page: each has its stylesheet and its scripts."""
    async with api.get(path) as response:
        page = await response.text()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any("style.css" in address for address in loaded)
    assert [address for address in loaded if not address.startswith("/")] == []


async def test_a_request_id_that_could_break_a_log_is_replaced(api: aiohttp.ClientSession) -> None:
    async with api.get("/api/gold/status", headers={"X-Request-ID": "a b;{}"}) as response:
        assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-Request-ID"])


async def test_reading_answers_are_kept_by_no_cache(api: aiohttp.ClientSession) -> None:
    async with api.get("/api/gold/status") as response:
        assert response.headers["Cache-Control"] == "no-store"
