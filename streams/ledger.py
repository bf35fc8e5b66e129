"""Which message of each partition is next, and up to which all are handled."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

log = structlog.get_logger()

# What had been read on before a rewind comes before what is read again; only then is the rewind known to be lost.
REWIND_SECONDS = 2.0
ANSWER_SECONDS = 10.0


class Ledger:
    """Keeps a partition's messages in order and complete, whatever is delivered.

    A message that comes again is passed over. One that comes too early shows that others were skipped: it is passed
    over too, and the partition read again from the first that is missing, by `rewind`.
    """

    def __init__(self, bootstrap: str, rewind: Callable[[TopicPartition, int], Awaitable[None]]) -> None:
        self._bootstrap = bootstrap
        self._rewind = rewind
        self._rewound_at: dict[TopicPartition, float] = {}
        self._expected: dict[TopicPartition, int] = {}
        self._handled: dict[TopicPartition, int] = {}

    def begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Partitions are read from these offsets on. What was handled here, though not committed, is not due again."""
        for partition, offset in offsets.items():
            start = max(offset, self._handled.get(partition, 0))
            self._expected[partition] = self._handled[partition] = start
            self._rewound_at.pop(partition, None)

    async def due(self, partition: TopicPartition, offset: int) -> bool:
        """Whether this message is the next of its partition; the one after it is then."""
        expected = self._expected.setdefault(partition, offset)
        if offset > expected and time.monotonic() - self._rewound_at.get(partition, 0.0) > REWIND_SECONDS:
            # Logs have holes, where messages expired or a transaction ended.
            first = await self._first_from(partition, expected)
            if self._expected[partition] != expected:
                return False  # the partition was assigned anew meanwhile, and is read from there
            expected = self._expected[partition] = first
            if offset > expected:
                log.warning("rewound", topic=partition.topic, partition=partition.partition, came=offset, due=expected)
                self._rewound_at[partition] = time.monotonic()
                await self._rewind(partition, expected)
        if offset != expected:
            return False
        self._rewound_at.pop(partition, None)
        self._expected[partition] = offset + 1
        return True

    async def rewind(self, topic: str) -> None:
        """Read the partitions of `topic` again from the messages that are due."""
        for partition in [partition for partition in self._expected if partition.topic == topic]:
            self._rewound_at.pop(partition, None)
            await self._rewind(partition, self._expected[partition])

    def done(self, partition: TopicPartition, offset: int) -> None:
        """This message is handled, as are all before it."""
        self._handled[partition] = max(offset + 1, self._handled.get(partition, 0))

    def handled(self, partition: TopicPartition) -> int | None:
        """The offset up to which all messages are handled, to be committed."""
        return self._handled.get(partition)

    async def _first_from(self, partition: TopicPartition, offset: int) -> int:
        """The first offset from `offset` on at which the broker has a message; `offset` where it does not answer."""
        reader = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await reader.start()
                reader.assign([partition])
                reader.seek(partition, offset)
                first: int = (await reader.getone()).offset
                return first
        except (KafkaError, OSError, TimeoutError):
            return offset
        finally:
            await reader.stop()
