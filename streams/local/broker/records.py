"""Requests about records: Produce, Fetch, ListOffsets, DeleteRecords, InitProducerId."""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import count

from aiokafka.errors import (
    BrokerResponseError,
    InvalidRequiredAcksError,
    OffsetOutOfRangeError,
    TransactionalIdAuthorizationFailed,
)

from streams.local.broker.journal import Journal
from streams.local.broker.partition import Partition, watching
from streams.local.broker.topics import Topics
from streams.local.broker.wire import Client, Message, refusal

_LATEST, _EARLIEST = -1, -2
# Bounds the memory a fetch can take, whatever the client would accept.
_LARGEST_FETCH = 16 * 1024 * 1024


@dataclass
class _Wanted:
    """One partition of a fetch, and what came of it."""

    topic: str
    index: int
    offset: int
    max_bytes: int
    partition: Partition | None = None
    error: BrokerResponseError | None = None
    batches: bytes = b""

    def read(self, left: int, *, at_least_one: bool) -> None:
        """Blocking: fill in ``batches`` or ``error``."""
        if self.partition is not None:
            limit = min(self.max_bytes, left)
            try:
                self.batches = self.partition.log.read(self.offset, limit, at_least_one=at_least_one)
            except BrokerResponseError as error:
                self.error = error

    @property
    def ready(self) -> bool:
        """Whether reading gives something, be it an error."""
        return self.partition is None or self.partition.log.end != self.offset

    def answer(self) -> Message:
        log = self.partition.log if self.partition else None
        end = log.end if log else -1
        return {
            "partition": self.index,
            "error_code": self.error.errno if self.error else 0,
            "highwater_offset": end,
            "last_stable_offset": end,
            "log_start_offset": log.start if log else -1,
            "aborted_transactions": None,
            "preferred_read_replica": -1,
            "message_set": self.batches,
        }


@dataclass
class Records:
    """The handlers of requests about records; what blocks runs in ``disk`` threads."""

    topics: Topics
    journal: Journal
    disk: Executor
    _producer_ids: "count[int]" = field(init=False)

    def __post_init__(self) -> None:
        self._producer_ids = count(self.journal.get("producer-ids") or 0)

    async def init_producer_id(self, request: Message, client: Client) -> Message:
        """Give out a producer id that was never given out before; refuse a transactional one."""
        if request["transactional_id"]:
            refused = TransactionalIdAuthorizationFailed.errno
            return {"error_code": refused, "producer_id": -1, "producer_epoch": -1}
        producer_id = next(self._producer_ids)
        await self.journal.put({("producer-ids",): producer_id + 1})
        return {"producer_id": producer_id, "producer_epoch": 0}

    async def produce(self, request: Message, client: Client) -> Message | None:
        """Store batches, and answer when they are written; with acks=0 the client wants no answer."""

        async def store(topic: str, index: int, batch: bytes) -> Message:
            offset, start, error = -1, -1, None
            try:
                if request["required_acks"] not in (-1, 0, 1):
                    raise InvalidRequiredAcksError
                if request["transactional_id"]:
                    raise TransactionalIdAuthorizationFailed("this broker has no transactions")
                partition = self.topics.partition(topic, index)
                offset = await partition.append(batch or b"")
                start = partition.log.start
            except BrokerResponseError as refused:
                error = refused
            return {
                **refusal(error),
                "partition": index,
                "offset": offset,
                "timestamp": -1,  # the records keep their own
                "log_start_offset": start,
                "record_errors": [],
            }

        async def store_topic(topic: Message) -> Message:
            stored = (store(topic["topic"], it["partition"], it["messages"]) for it in topic["partitions"])
            return {"topic": topic["topic"], "partitions": await asyncio.gather(*stored)}

        answers = await asyncio.gather(*map(store_topic, request["topics"]))
        return {"topics": answers} if request["required_acks"] else None

    async def fetch(self, request: Message, client: Client) -> Message:
        """Return batches; wait up to ``max_wait_time`` ms until there are ``min_bytes``, or an error to tell."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request["max_wait_time"] / 1000
        wanted = [self._wanted(topic["topic"], it) for topic in request["topics"] for it in topic["partitions"]]
        limit = min(request["max_bytes"], _LARGEST_FETCH)
        with watching([it.partition for it in wanted if it.partition]) as grown:
            while True:
                grown.clear()
                if any(it.ready for it in wanted):
                    await loop.run_in_executor(self.disk, _read_all, wanted, limit)
                enough = sum(len(it.batches) for it in wanted) >= request["min_bytes"]
                if enough or any(it.error for it in wanted) or loop.time() >= deadline:
                    break
                try:
                    async with asyncio.timeout_at(deadline):
                        await grown.wait()
                except TimeoutError:
                    pass
        answers: dict[str, list[Message]] = {}
        for it in wanted:
            answers.setdefault(it.topic, []).append(it.answer())
        return {
            "session_id": 0,  # no fetch sessions: every request is a full one
            "topics": [{"topics": topic, "partitions": parts} for topic, parts in answers.items()],
        }

    async def list_offsets(self, request: Message, client: Client) -> Message:
        """Find the first offset, the next one, or the first record not older than a time (ms)."""
        loop = asyncio.get_running_loop()

        async def find(topic: str, asked: Message) -> Message:
            offset, found_time, error = -1, -1, 0
            try:
                log = self.topics.partition(topic, asked["partition"]).log
                if asked["timestamp"] == _LATEST:
                    offset = log.end
                elif asked["timestamp"] == _EARLIEST:
                    offset = log.start
                elif found := await loop.run_in_executor(self.disk, log.offset_at_time, asked["timestamp"]):
                    offset, found_time = found
            except BrokerResponseError as refused:
                error = refused.errno
            place = {"partition": asked["partition"], "offset": offset, "timestamp": found_time}
            return {**place, "error_code": error}

        async def find_topic(topic: Message) -> Message:
            found = (find(topic["topic"], asked) for asked in topic["partitions"])
            return {"topic": topic["topic"], "partitions": await asyncio.gather(*found)}

        return {"topics": await asyncio.gather(*map(find_topic, request["topics"]))}

    async def delete_records(self, request: Message, client: Client) -> Message:
        """Let partitions start at a later offset, -1 standing for their end; housekeeping frees the space."""
        answers = []
        for topic in request["topics"]:
            parts = []
            for asked in topic["partitions"]:
                start, error = -1, 0
                try:
                    log = self.topics.partition(topic["name"], asked["partition_index"]).log
                    start = log.end if asked["offset"] == -1 else asked["offset"]
                    if not 0 <= start <= log.end:
                        raise OffsetOutOfRangeError
                    start = log.start = max(log.start, start)
                    await self.topics.remember_start(topic["name"], asked["partition_index"])
                except BrokerResponseError as refused:
                    error = refused.errno
                index = asked["partition_index"]
                parts.append({"partition_index": index, "low_watermark": start, "error_code": error})
            answers.append({"name": topic["name"], "partitions": parts})
        return {"topics": answers}

    def _wanted(self, topic: str, asked: Message) -> _Wanted:
        wanted = _Wanted(topic, asked["partition"], asked["fetch_offset"], asked["max_bytes"])
        try:
            wanted.partition = self.topics.partition(topic, wanted.index)
        except BrokerResponseError as error:
            wanted.error = error
        return wanted


def _read_all(wanted: list[_Wanted], limit: int) -> None:
    """Blocking: read the partitions in order until ``limit`` bytes; the first batch comes at any size."""
    read = 0
    for it in wanted:
        if it.ready:
            it.read(limit - read, at_least_one=not read)
            read += len(it.batches)
