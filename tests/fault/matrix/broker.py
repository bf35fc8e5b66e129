"""A broker of lists, and the changelog of tables that go with their partitions."""

import random
from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from streams.delivery import Message
from streams.records import Record
from streams.topics import TOPICS, Topic


@dataclass
class Partition:
    """A log, and how far its consumer group is: `position` is read next, up to `committed` it will not come again.

    `owner` is the process that reads it; `busy` while it has messages in hand.
    """

    topic: Topic
    number: int
    owner: str = ""
    log: list[Message] = field(default_factory=list)
    position: int = 0
    committed: int = 0
    busy: bool = False

    @property
    def lag(self) -> int:
        return len(self.log) - self.position

    def rewind(self) -> None:
        """Somebody else reads on, or the same one anew: from what was committed."""
        self.position, self.busy = self.committed, False


class Broker:
    """All partitions of all topics."""

    def __init__(self) -> None:
        self.partitions = {topic.name: [Partition(topic, n) for n in range(topic.partitions)] for topic in TOPICS}

    def append(self, topic: Topic, record: Record) -> None:
        key = str(getattr(record, topic.key)).encode()
        partition = self.partitions[topic.name][crc32(key) % topic.partitions]
        place = len(partition.log)
        partition.log.append(Message(topic.name, partition.number, place, key, record.encode()))

    def messages(self, topic: Topic) -> list[Message]:
        return [message for partition in self.partitions[topic.name] for message in partition.log]


class Changelog:
    """Every value that every worker gave to each key of a table."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = defaultdict(list)

    def recovered(self, rng: random.Random, most: int) -> "Table":
        """The table as a worker finds it that becomes its owner: up to `most` changes of each key are not there yet."""
        recent = {
            key: [None, *values][-1 - rng.randint(0, min(most, len(values)))] for key, values in self.values.items()
        }
        return Table(self, {key: value for key, value in recent.items() if value is not None})


class Table(MutableMapping[str, Any]):
    """One worker's copy of a table."""

    def __init__(self, changelog: Changelog, held: dict[str, Any]) -> None:
        self._changelog = changelog
        self._held = held

    def __getitem__(self, key: str) -> Any:
        return self._held[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._held[key] = value
        self._changelog.values[key].append(value)

    def __delitem__(self, key: str) -> None:
        del self._held[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)
