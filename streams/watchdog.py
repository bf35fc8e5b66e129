"""Notices that messages wait and nobody takes them.

Faust's agents and consumer have been seen to fall silent after a rebalance or a broker's restart, without an error.
What Faust believes of itself is then no witness: this asks the broker, over connections of its own, how far the group
has come. A message that is being worked on, or held while the portal is down, is no silence. Reading the messages again
that are due helps where a seek got lost; otherwise a new process is what helps.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import CrashStreamError

CHECK_SECONDS = 2.5
READ_AGAIN_SECONDS = 5.0
SILENT_SECONDS = 30.0
ANSWER_SECONDS = 10.0


class Watchdog:
    """Watches consumer group `group` on `topics`.

    `assigned` says which partitions are this process's; `read_again` reads what is due in a topic again.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topics: Collection[str],
        assigned: Callable[[], Collection[TopicPartition]],
        read_again: Callable[[str], Awaitable[None]],
    ) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topics = topics
        self._assigned = assigned
        self._read_again = read_again
        self._at_work: Counter[str] = Counter()
        self._last_work: dict[str, float] = {}

    @contextmanager
    def busy(self, topic: str) -> Iterator[None]:
        """Marks the work on a message of `topic`."""
        self._at_work[topic] += 1
        try:
            yield
        finally:
            self._at_work[topic] -= 1
            self._last_work[topic] = time.monotonic()

    async def watch(self) -> None:
        """Raise once a topic's messages have waited for `SILENT_SECONDS` with nobody at work on any; never return."""
        waiting_since: dict[str, float] = {}
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    waiting = await self._waiting()
            except (KafkaError, OSError, TimeoutError):
                waiting = set()  # the broker is away: that is not the app's silence
            now = time.monotonic()
            waiting_since = {topic: waiting_since.get(topic, now) for topic in waiting if not self._at_work[topic]}
            for topic, since in waiting_since.items():
                silent = now - max(since, self._last_work.get(topic, since))
                if silent > SILENT_SECONDS:
                    raise CrashStreamError(f"{self._group} has taken no message of {topic} for {silent:.0f} s")
                if silent > READ_AGAIN_SECONDS:
                    await self._read_again(topic)

    async def _waiting(self) -> set[str]:
        """Topics with messages of ours behind the group's committed offsets; all are ours while nothing is assigned."""
        assigned = self._assigned()
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        try:
            await admin.start()
            await consumer.start()
            committed = await admin.list_consumer_group_offsets(self._group)
            partitions = [
                TopicPartition(topic["topic"], partition["partition"])
                for topic in await admin.describe_topics(list(self._topics))
                for partition in topic["partitions"]
                if not assigned or TopicPartition(topic["topic"], partition["partition"]) in assigned
            ]
            ends = await consumer.end_offsets(partitions)
            starts = await consumer.beginning_offsets(partitions)
        finally:
            await consumer.stop()
            await admin.close()
        done = {tp: max(starts[tp], committed[tp].offset if tp in committed else 0) for tp in partitions}
        return {tp.topic for tp in partitions if ends[tp] > done[tp]}
