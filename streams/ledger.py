"""Which message of each partition is next, and up to which all are handled."""

from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

log = structlog.get_logger()


class Ledger:
    """Keeps a partition's messages in order and complete, whatever is delivered.

    A message that comes again is passed over. One that comes too early shows that others were skipped: it is passed
    over too, and the partition read again from the first that is missing, by `rewind`.
    """

    def __init__(self, bootstrap: str, rewind: Callable[[TopicPartition, int], Awaitable[None]]) -> None:
        self._bootstrap = bootstrap
        self._rewind = rewind
        self._rewound: set[TopicPartition] = set()
        self._expected: dict[TopicPartition, int] = {}
        self._handled: dict[TopicPartition, int] = {}

    def begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Partitions are read from these offsets on. What was handled here, though not committed, is not due again."""
        for partition, offset in offsets.items():
            start = max(offset, self._handled.get(partition, 0))
            self._expected[partition] = self._handled[partition] = start
            self._rewound.discard(partition)

    async def due(self, partition: TopicPartition, offset: int) -> bool:
        """Whether this message is the next of its partition; the one after it is then."""
        expected = self._expected.setdefault(partition, offset)
        if offset > expected:
            # Logs have holes, where messages expired or a transaction ended.
            expected = await self._first_from(partition, expected)
        if offset > expected and partition not in self._rewound:
            # Once: what was read on meanwhile comes before what is read again. Were the rewind to get lost as well,
            # the watchdog sees that messages wait.
            self._rewound.add(partition)
            log.warning("rewound", topic=partition.topic, partition=partition.partition, came=offset, due=expected)
            await self._rewind(partition, expected)
        if offset != expected:
            return False
        self._rewound.discard(partition)
        self._expected[partition] = offset + 1
        return True

    def done(self, partition: TopicPartition, offset: int) -> None:
        """This message is handled, as are all before it."""
        self._handled[partition] = max(offset + 1, self._handled.get(partition, 0))

    def handled(self, partition: TopicPartition) -> int | None:
        """The offset up to which all messages are handled, to be committed."""
        return self._handled.get(partition)

    async def _first_from(self, partition: TopicPartition, offset: int) -> int:
        """The first offset from `offset` on at which the broker has a message."""
        reader = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        await reader.start()
        try:
            reader.assign([partition])
            reader.seek(partition, offset)
            first: int = (await reader.getone()).offset
            return first
        finally:
            await reader.stop()
