"""The portal is asked at a rate that falls when it refuses and recovers when it answers."""

import asyncio
import time
from itertools import pairwise

import pytest

from streams.errors import SettingError
from streams.settings import load_settings
from streams.socrata.throttle import FLOOR, ON_LOOPBACK, STEP, WITH_TOKEN, WITHOUT_TOKEN, Throttle, polite_rate


async def refuse(throttle: Throttle) -> None:
    async with throttle.turn() as began:
        pass
    throttle.slow_down(began, 0)


async def test_requests_leave_evenly_spaced_however_many_wait() -> None:
    throttle = Throttle(rate=50, concurrency=10)
    times = []

    async def ask() -> None:
        async with throttle.turn() as began:
            times.append(began)

    await asyncio.gather(*(ask() for _ in range(8)))
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1 / 50 - 1e-6


async def test_each_refusal_halves_the_rate_down_to_a_floor() -> None:
    throttle = Throttle(rate=1000, concurrency=1)
    for refusals in range(1, 4):
        await refuse(throttle)
        assert throttle.rate == 1000 / 2**refusals
    for _ in range(10):
        await refuse(throttle)
    assert throttle.rate == 1000 * FLOOR


async def test_requests_refused_together_are_one_reason_to_slow_down() -> None:
    throttle = Throttle(rate=1000, concurrency=4)
    async with throttle.turn() as one, throttle.turn() as other:
        pass
    throttle.slow_down(one, 0)
    throttle.slow_down(other, 0)
    assert throttle.rate == 500


async def test_answers_give_the_rate_back_slowly_and_never_more_than_all_of_it() -> None:
    throttle = Throttle(rate=1000, concurrency=1)
    await refuse(throttle)
    throttle.speed_up()
    assert throttle.rate == 500 + 1000 * STEP
    for _ in range(60):
        throttle.speed_up()
    assert throttle.rate == 1000


async def test_a_pause_that_comes_while_requests_wait_holds_them_too() -> None:
    throttle = Throttle(rate=20, concurrency=2)
    async with throttle.turn() as first:
        pass

    async def ask() -> float:
        async with throttle.turn() as began:
            return began

    waiting = asyncio.create_task(ask())
    await asyncio.sleep(0.01)
    throttle.slow_down(first, 0.2)
    resume = time.monotonic() + throttle.paused
    throttle.slow_down(first, 0.1)  # a shorter one shortens nothing
    assert await waiting >= resume


async def test_a_request_given_up_while_it_waits_leaves_its_place_to_the_next() -> None:
    throttle = Throttle(rate=20, concurrency=1)
    async with throttle.turn():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), throttle.turn():
                raise AssertionError
    async with asyncio.timeout(5), throttle.turn():
        pass


@pytest.mark.parametrize(
    ("url", "token", "rate"),
    [
        ("https://data.cityofchicago.org", None, WITHOUT_TOKEN),
        ("https://data.cityofchicago.org", "mine", WITH_TOKEN),
        ("http://127.0.0.1:8020", None, ON_LOOPBACK),
        ("http://localhost:8020", "mine", ON_LOOPBACK),
        ("http://[::1]:8020", None, ON_LOOPBACK),
        ("http://10.0.0.1:8020", None, WITHOUT_TOKEN),
    ],
)
def test_politeness_knows_tokens_and_portals_of_our_own(url: str, token: str | None, rate: float) -> None:
    assert polite_rate(url, token) == rate


@pytest.mark.parametrize("rate", [0, -1, "fast"])
def test_a_rate_that_cannot_be_is_named(rate: object) -> None:
    with pytest.raises(SettingError, match="CRASH_PORTAL_RATE"):
        load_settings(portal_rate=rate)
