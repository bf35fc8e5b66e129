"""The catalogue of topics. The journal says which exist; a topic's files lie in a folder of its own id.

The id makes a topic that was deleted and created again a new one: nothing of the old can come back.
"""

import asyncio
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from aiokafka.errors import (
    InvalidPartitionsError,
    InvalidTopicError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from streams.local.broker.configs import TopicConfig
from streams.local.broker.journal import Journal, Key
from streams.local.broker.log import Log
from streams.local.broker.partition import Partition

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_MOST_PARTITIONS = 1000  # a topic: each holds a file open


@dataclass
class Topic:
    """One topic; ``partitions`` are in order."""

    name: str
    id: str
    config: TopicConfig
    partitions: list[Partition]


class Topics:
    """Every topic by name. Changes are on file before they are seen."""

    def __init__(self, root: Path, journal: Journal, disk: Executor) -> None:
        self._root = root
        self._journal = journal
        self._disk = disk
        self._topics: dict[str, Topic] = {}
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Open every topic of the journal, and remove the folders of those deleted in mid-crash."""
        self._root.mkdir(exist_ok=True)
        for (name,), entry in self._journal.of("topic").items():
            config = TopicConfig(entry["configs"])
            partitions = await self._open(str(name), entry["id"], config, range(entry["partitions"]))
            self._topics[str(name)] = Topic(str(name), entry["id"], config, partitions)
        known = {self._folder(topic.name, topic.id) for topic in self}
        for folder in self._root.iterdir():
            if folder not in known:
                shutil.rmtree(folder)

    def __iter__(self) -> Iterator[Topic]:
        return iter(list(self._topics.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def topic(self, name: str) -> Topic:
        """Return a topic or raise UnknownTopicOrPartitionError."""
        try:
            return self._topics[name]
        except KeyError:
            raise UnknownTopicOrPartitionError(f"there is no topic {name}") from None

    def partition(self, name: str, index: int) -> Partition:
        """Return a partition or raise UnknownTopicOrPartitionError."""
        partitions = self.topic(name).partitions
        if not 0 <= index < len(partitions):
            raise UnknownTopicOrPartitionError(f"topic {name} has no partition {index}")
        return partitions[index]

    async def create(
        self, name: str, partitions: int, configs: Mapping[str, str | None], *, dry_run: bool = False
    ) -> None:
        """Create a topic.

        Raises InvalidTopicError, InvalidPartitionsError, InvalidConfigurationError or TopicAlreadyExistsError.
        """
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise InvalidTopicError(f"{name!r} is no topic name: use up to 249 of a-z A-Z 0-9 . _ -")
        if not 1 <= partitions <= _MOST_PARTITIONS:
            raise InvalidPartitionsError(f"a topic has 1 to {_MOST_PARTITIONS} partitions, not {partitions}")
        config = TopicConfig(configs)
        async with self._changing:
            if name in self._topics:
                raise TopicAlreadyExistsError(f"topic {name} exists")
            if dry_run:
                return
            id_ = uuid.uuid4().hex
            opened = await self._open(name, id_, config, range(partitions))
            topic = Topic(name, id_, config, opened)
            await self._journal.put(_entry(topic, partitions))
            self._topics[name] = topic

    async def delete(self, name: str) -> None:
        """Delete a topic, its records and what groups have committed for it."""
        async with self._changing:
            topic = self.topic(name)
            offsets = [key for key in self._journal.of("offset") if key[1] == name]
            starts = [key for key in self._journal.of("start") if key[0] == topic.id]
            gone: dict[Key, None] = {("topic", name): None}
            gone |= {("offset", *key): None for key in offsets} | {("start", *key): None for key in starts}
            await self._journal.put(gone)
            del self._topics[name]
        folder = self._folder(name, topic.id)
        await asyncio.get_running_loop().run_in_executor(self._disk, shutil.rmtree, folder, True)

    async def extend(self, name: str, partitions: int, *, dry_run: bool = False) -> None:
        """Add partitions up to this number; it must be more than there are (InvalidPartitionsError)."""
        async with self._changing:
            topic = self.topic(name)
            there = len(topic.partitions)
            if not there < partitions <= _MOST_PARTITIONS:
                raise InvalidPartitionsError(f"topic {name} has {there} partitions; {partitions} cannot be")
            if dry_run:
                return
            added = await self._open(name, topic.id, topic.config, range(there, partitions))
            await self._journal.put(_entry(topic, partitions))
            topic.partitions += added

    async def configure(self, name: str, configs: Mapping[str, str | None], *, dry_run: bool = False) -> None:
        """Replace a topic's configs; those not given return to their defaults (InvalidConfigurationError)."""
        async with self._changing:
            topic = self.topic(name)
            chosen = TopicConfig(configs).chosen
            if dry_run:
                return
            changed = Topic(name, topic.id, TopicConfig(chosen), topic.partitions)
            await self._journal.put(_entry(changed, len(topic.partitions)))
            topic.config.replace(chosen)

    async def remember_start(self, name: str, index: int) -> None:
        """Put on file where a partition now starts, after DeleteRecords."""
        topic = self.topic(name)
        await self._journal.put({("start", topic.id, index): topic.partitions[index].log.start})

    async def _open(self, name: str, id_: str, config: TopicConfig, indexes: range) -> list[Partition]:
        loop = asyncio.get_running_loop()
        folder = self._folder(name, id_)

        async def open_one(index: int) -> Partition:
            start = self._journal.get("start", id_, index) or 0
            log = await loop.run_in_executor(self._disk, Log, folder / str(index), config, start)
            return Partition(log, self._disk)

        return list(await asyncio.gather(*map(open_one, indexes)))

    def _folder(self, name: str, id_: str) -> Path:
        return self._root / f"{name}.{id_}"


def _entry(topic: Topic, partitions: int) -> dict[Key, dict[str, object]]:
    entry = {"id": topic.id, "partitions": partitions, "configs": topic.config.chosen}
    return {("topic", topic.name): entry}
