"""An answer is asked for once, however many wait, and errors are not kept."""

import asyncio

import pytest

from streams.cached import Cached


async def test_many_who_wait_share_one_answer() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    cached = Cached(ask, lambda _: 60)
    assert await asyncio.gather(*(cached() for _ in range(20))) == [1] * 20
    assert await cached() == 1


async def test_an_old_answer_is_asked_for_again() -> None:
    answers = iter(("first", "second"))

    async def ask() -> str:
        return next(answers)

    cached = Cached(ask, lambda _: 0)
    assert [await cached(), await cached()] == ["first", "second"]


async def test_an_error_reaches_who_asked_and_is_forgotten() -> None:
    answers = iter((OSError("away"), "back"))

    async def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cached = Cached(ask, lambda _: 60)
    with pytest.raises(OSError, match="away"):
        await cached()
    assert await cached() == "back"
