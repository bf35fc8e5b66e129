"""The parts that agents call, each call a step, and failing before or after its effect."""

import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from streams.errors import CrashStreamError
from streams.records import Record
from streams.socrata.client import Portal
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.storage.objects import ObjectInfo, Objects
from streams.topics import Topic
from tests.fault.matrix.broker import Broker
from tests.fault.matrix.steps import Steps
from tests.pipeline import Pipeline


class Trouble:
    """Makes a share of a part's calls fail."""

    def __init__(self, steps: Steps, seed: int, rate: float, error: type[CrashStreamError]) -> None:
        self.rate = rate
        self.rng = random.Random(f"{error.__name__} {seed}")
        self._steps, self._error = steps, error

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        await self._steps.step()
        with self.effect():
            yield
        await self._steps.step()

    @contextmanager
    def effect(self) -> Iterator[None]:
        fate = self.rng.random()
        self.fail(fate < self.rate / 2, "before")
        yield
        self.fail(fate > 1 - self.rate / 2, "after")

    def fail(self, fails: bool, when: str) -> None:
        if fails:
            raise self._error(f"failed {when} its effect")


class TroubledObjects:
    """`Objects` of a store that fails. `full` are the puts that find no space."""

    def __init__(self, objects: Objects, trouble: Trouble, full: range) -> None:
        self._objects, self._trouble, self._full = objects, trouble, full
        self._puts = 0

    async def put(self, bucket: str, key: str, body: bytes, **told: Any) -> None:
        async with self._trouble.call():
            self._puts += 1
            self._trouble.fail(self._puts in self._full, "for want of space, before")
            await self._objects.put(bucket, key, body, **told)

    async def get(self, bucket: str, key: str) -> tuple[bytes, ObjectInfo]:
        async with self._trouble.call():
            return await self._objects.get(bucket, key)

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        async with self._trouble.call():
            return await self._objects.head(bucket, key)

    async def list(self, bucket: str, prefix: str = "", *, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        async with self._trouble.call():
            found = [info async for info in self._objects.list(bucket, prefix, start_after=start_after)]
        for info in found:
            yield info

    async def delete(self, bucket: str, keys: Iterable[str]) -> None:
        async with self._trouble.call():
            await self._objects.delete(bucket, keys)

    async def ensure_buckets(self, names: Iterable[str]) -> None:
        await self._objects.ensure_buckets(names)

    async def ping(self) -> None:
        await self._objects.ping()


class SteppedPortal(Portal):
    """The portal; what goes wrong there is its server's."""

    steps: Steps

    async def _ask(self, *question: Any, **named: Any) -> Any:
        await self.steps.step()
        answer = await super()._ask(*question, **named)
        await self.steps.step()
        return answer


class TroubledGold:
    """The pipeline's Gold, whose loads fail before or after they are committed."""

    def __init__(self, pipe: Pipeline, file: Path, trouble: Trouble) -> None:
        self._pipe, self._file, self._trouble = pipe, file, trouble

    def applied(self) -> dict[str, int]:
        return self._pipe.gold.applied()

    def elsewhere(self, months: Mapping[str, pl.DataFrame]) -> set[str]:
        return self._pipe.gold.elsewhere(months)

    def load(self, changes: Sequence[Change]) -> None:
        with self._trouble.effect():
            self._pipe.gold.load(changes)

    def restart(self) -> None:
        """Its process died, and another one opens the file."""
        self._pipe.gold.close()
        self._pipe.gold = Gold.open(self._file)


def emitter(broker: Broker, trouble: Trouble) -> Any:
    """`Emit` to the broker."""

    async def emit(topic: Topic, record: Record) -> None:
        async with trouble.call():
            broker.append(topic, record)

    return emit
