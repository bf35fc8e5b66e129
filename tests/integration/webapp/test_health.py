"""Health tells well from ill, part by part, and says what to do about what is ill."""

import time
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import aiohttp

from monitoring.health import LIMIT_SECONDS, MEMBERS_WANTED, WORKER_GROUP, Check, Health, check_all
from streams import app as faust_apps
from streams.publisher import declare_topics
from streams.settings import Settings
from tests.embedded_broker import EmbeddedBroker
from tests.integration.webapp.parts import member, running_parts, serve_portal
from tests.integration.webapp.serving import Outbox, nowhere, serve_web

PARTS = ["portal", "broker", "store", "worker", "gold", "trainer", "disk"]


async def by_part(settings: Settings) -> dict[str, Check]:
    return {check.part: check for check in await check_all(settings)}


async def health_over_http(settings: Settings) -> tuple[int, dict[str, Any]]:
    async with (
        serve_web(settings, Outbox()) as url,
        aiohttp.ClientSession(url) as api,
        api.get("/api/health") as response,
    ):
        return response.status, await response.json()


async def test_all_parts_are_well_and_one_that_goes_is_missed(sample: Path, tmp_path: Path) -> None:
    async with running_parts(tmp_path, sample) as parts:
        checks = await by_part(parts.settings)
        assert list(checks) == PARTS
        assert [check for check in checks.values() if not check.ok] == []

        assert await health_over_http(parts.settings) == (200, {"well": True, "parts": ANY})

        parts.broker.kill()
        checks = await by_part(parts.settings)
        assert {part for part, check in checks.items() if not check.ok} == {"broker", "worker", "gold", "trainer"}
        assert "CRASH_KAFKA_BOOTSTRAP" in str(checks["broker"].remedy)

        # The same Health sees the broker come back.
        async with Health(parts.settings) as health:
            assert not (await health.checks())[1].ok
            parts.broker.start()
            broker, members = await health._ask_broker()
            assert broker.ok
            assert set(members) == set(MEMBERS_WANTED)


async def test_a_broker_without_topics_or_workers_says_so(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        settings = nowhere(tmp_path, kafka_bootstrap=broker.bootstrap)
        checks = await by_part(settings)
        assert "crash-pages" in checks["broker"].detail
        assert "crash-stream worker" in str(checks["worker"].remedy)
        await declare_topics(broker.bootstrap)
        async with member(broker.bootstrap, WORKER_GROUP):
            assert (await by_part(settings))["worker"] == Check("worker", True, "1 is running")


async def test_with_every_part_away_each_says_what_to_do(tmp_path: Path) -> None:
    status, answer = await health_over_http(nowhere(tmp_path))
    assert status == 503
    assert [part["part"] for part in answer["parts"]] == PARTS
    ill = {part["part"]: part for part in answer["parts"] if not part["ok"]}
    assert list(ill) == PARTS[:-1]
    assert all(part["remedy"] for part in ill.values())
    assert answer["error"]["code"] == "not-well"
    for part in ill:
        assert f"{part}: " in answer["error"]["message"]
    assert "crash-stream gold" in ill["gold"]["remedy"]
    assert "CRASH_S3_ENDPOINT_URL" in ill["store"]["remedy"]
    assert answer["request_id"]


async def test_what_is_not_set_is_named(tmp_path: Path) -> None:
    checks = await by_part(nowhere(tmp_path, kafka_bootstrap=None, s3_endpoint_url=None))
    assert "CRASH_KAFKA_BOOTSTRAP" in str(checks["broker"].remedy)
    assert "CRASH_S3_ENDPOINT_URL" in str(checks["store"].remedy)


async def test_a_wrong_app_token_is_told_from_a_portal_that_is_away(tmp_path: Path) -> None:
    async with serve_portal(token="right") as url:
        wrong = (await by_part(nowhere(tmp_path, portal_url=url, portal_app_token="wrong")))["portal"]
        right = (await by_part(nowhere(tmp_path, portal_url=url, portal_app_token="right")))["portal"]
        none = (await by_part(nowhere(tmp_path, portal_url=url)))["portal"]
    assert (wrong.ok, right.ok, none.ok) == (False, True, True)
    assert "CRASH_PORTAL_APP_TOKEN" in str(wrong.remedy)


async def test_a_portal_that_throttles_or_fails_is_ill(tmp_path: Path) -> None:
    async with serve_portal(429) as throttling, serve_portal(500) as failing:
        throttled = (await by_part(nowhere(tmp_path, portal_url=throttling)))["portal"]
        failed = (await by_part(nowhere(tmp_path, portal_url=failing)))["portal"]
    assert "429" in throttled.detail
    assert "CRASH_PORTAL_APP_TOKEN" in str(throttled.remedy)
    assert "500" in failed.detail
    assert failed.remedy


async def test_a_part_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    async with serve_portal(hangs=True) as url:
        begun = time.monotonic()
        portal = (await by_part(nowhere(tmp_path, portal_url=url)))["portal"]
    assert time.monotonic() - begun < LIMIT_SECONDS + 5
    assert not portal.ok
    assert "3 s" in portal.detail


def test_the_groups_are_those_of_the_apps() -> None:
    assert {faust_apps.WORKER, faust_apps.GOLD, faust_apps.TRAINER} == set(MEMBERS_WANTED)
