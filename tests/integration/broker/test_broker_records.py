"""Conformance: producing, fetching, and finding offsets."""

import asyncio
import os
import time

import pytest
from aiokafka.errors import (
    CorruptRecordException,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    OutOfOrderSequenceNumber,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition

from tests.embedded_broker import CreateTopic, Wire, batch, consumer, producer, read, wire

MIB = 2**20


async def test_a_record_comes_back_whole(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    headers = [("kind", b"crash"), ("empty", b"")]
    async with producer(bootstrap) as client:
        sent = await client.send_and_wait(name, b"value", b"key", timestamp_ms=1_700_000_000_123, headers=headers)
    (record,) = await read(bootstrap, name)
    assert (record.offset, record.key, record.value) == (sent.offset, b"key", b"value")
    assert (record.timestamp, record.headers) == (1_700_000_000_123, tuple(headers))


async def test_a_tombstone_comes_back_as_none(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(cleanup_policy="compact")
    async with producer(bootstrap) as client:
        await client.send_and_wait(name, None, b"key")
    (record,) = await read(bootstrap, name)
    assert (record.key, record.value) == (b"key", None)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_come_back(bootstrap: str, topic: CreateTopic, codec: str) -> None:
    name = await topic()
    values = [b"x" * 1000 + b"%d" % n for n in range(200)]
    async with producer(bootstrap, compression_type=codec, linger_ms=20) as client:
        await asyncio.gather(*[await client.send(name, value) for value in values])
    assert [record.value for record in await read(bootstrap, name)] == values


@pytest.mark.parametrize("acks", [0, 1, "all"])
async def test_records_are_stored_in_order_whatever_the_acks(
    bootstrap: str, topic: CreateTopic, acks: int | str
) -> None:
    name = await topic()
    values = [b"%d" % n for n in range(500)]
    async with producer(bootstrap, acks=acks) as client:
        for value in values:
            await client.send(name, value)
        await client.flush()
    async with consumer(bootstrap, name) as client:
        assert [(await client.getone()).value for _ in values] == values


@pytest.mark.parametrize("size", [MIB, 8 * MIB])
async def test_a_large_record_comes_back_even_through_a_small_fetch(
    bootstrap: str, topic: CreateTopic, size: int
) -> None:
    name = await topic(max_message_bytes=16 * MIB)
    value = os.urandom(size)
    async with producer(bootstrap, max_request_size=16 * MIB) as client:
        await client.send_and_wait(name, value)
        await client.send_and_wait(name, b"after")
    records = await read(bootstrap, name, max_partition_fetch_bytes=1000, fetch_max_bytes=1000)
    assert [record.value for record in records] == [value, b"after"]


async def test_a_record_above_the_topics_limit_is_refused(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(max_message_bytes=1000)
    async with producer(bootstrap) as client:
        with pytest.raises(MessageSizeTooLargeError):
            await client.send_and_wait(name, bytes(2000))
        await client.send_and_wait(name, b"small")
    assert [record.value for record in await read(bootstrap, name)] == [b"small"]


async def test_a_damaged_batch_is_refused(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    damaged = bytearray(batch((b"k", b"value")))
    damaged[-3] ^= 1
    async with wire(bootstrap) as requests:
        error, _ = await requests.produce(name, bytes(damaged))
    assert error == CorruptRecordException.errno
    assert await read(bootstrap, name) == []


async def test_an_unknown_topic_is_named_as_such(bootstrap: str, name: str) -> None:
    async with wire(bootstrap) as requests:
        error, _ = await requests.produce(name, batch((None, b"x")))
    assert error == UnknownTopicOrPartitionError.errno


async def test_a_batch_sent_twice_is_stored_once(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    async with wire(bootstrap) as requests:
        _, producer_id = await requests.producer_id()
        batches = [batch((None, b"%d" % n), producer=(producer_id, 0, n)) for n in range(5)]
        stored = [await requests.produce(name, data) for data in batches]
        assert stored == [(0, n) for n in range(5)]
        # Any of the last five may be on the way twice.
        assert [await requests.produce(name, data) for data in batches] == stored
    assert [record.value for record in await read(bootstrap, name)] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_gap_in_the_sequence_is_refused(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    async with wire(bootstrap) as requests:
        _, producer_id = await requests.producer_id()
        await requests.produce(name, batch((None, b"0"), producer=(producer_id, 0, 0)))
        error, _ = await requests.produce(name, batch((None, b"2"), producer=(producer_id, 0, 2)))
        assert error == OutOfOrderSequenceNumber.errno
        assert await requests.produce(name, batch((None, b"1"), producer=(producer_id, 0, 1))) == (0, 1)


async def test_producer_ids_are_given_out_once(bootstrap: str) -> None:
    async with wire(bootstrap) as requests:
        answers = [await requests.producer_id() for _ in range(10)]
    assert {error for error, _ in answers} == {0}
    assert len({producer_id for _, producer_id in answers}) == 10


async def test_an_idempotent_producer_stores_each_record_once(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(3)
    async with producer(bootstrap, enable_idempotence=True) as client:
        sent = [await client.send_and_wait(name, b"%d" % n, b"%d" % n) for n in range(100)]
    assert len({(it.partition, it.offset) for it in sent}) == 100


async def test_offsets_are_found_by_time(bootstrap: str, topic: CreateTopic) -> None:
    name, start = await topic(), 1_700_000_000_000
    place = TopicPartition(name, 0)
    async with producer(bootstrap, linger_ms=20) as client:
        sent = [await client.send(name, b"%d" % n, timestamp_ms=start + 10 * n) for n in range(50)]
        await asyncio.gather(*sent)
    async with consumer(bootstrap) as client:
        client.assign([place])
        found = [(await client.offsets_for_times({place: start + t}))[place] for t in (0, 101, 490, 491)]
    assert [(it.offset, it.timestamp - start) for it in found[:3]] == [(0, 0), (11, 110), (49, 490)]
    assert found[3] is None


async def test_first_and_next_offsets_are_told(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(2)
    written, empty = TopicPartition(name, 0), TopicPartition(name, 1)
    async with producer(bootstrap) as client:
        for _ in range(7):
            await client.send_and_wait(name, b"x", partition=0)
    async with consumer(bootstrap) as client:
        assert await client.beginning_offsets([written, empty]) == {written: 0, empty: 0}
        assert await client.end_offsets([written, empty]) == {written: 7, empty: 0}


async def test_a_reader_can_seek(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    place = TopicPartition(name, 0)
    async with producer(bootstrap, linger_ms=20) as client:
        await asyncio.gather(*[await client.send(name, b"%d" % n) for n in range(300)])
    async with consumer(bootstrap) as client:
        client.assign([place])
        for offset in (299, 0, 150):
            client.seek(place, offset)
            assert (await client.getone()).value == b"%d" % offset


async def test_an_offset_out_of_range_is_refused(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    place = TopicPartition(name, 0)
    async with consumer(bootstrap, auto_offset_reset="none") as client:
        client.assign([place])
        client.seek(place, 99)
        with pytest.raises(OffsetOutOfRangeError):
            await client.getone()


async def fetch(requests: Wire, topic: str, offset: int, *, wait: float, least: int) -> tuple[int, int, float]:
    """Fetch partition 0; returns ``(error code, bytes, seconds it took)``."""
    begun = time.monotonic()
    request = FetchRequest(int(wait * 1000), least, 2**25, 0, [(topic, [(0, offset, 2**24)])])
    ((_, ((_, error, *_, records),)),) = (await requests.send(request)).topics
    return error, len(records), time.monotonic() - begun


async def test_a_fetch_waits_for_records_and_no_longer(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    async with wire(bootstrap) as reader, wire(bootstrap) as writer:
        waiting = asyncio.create_task(fetch(reader, name, 0, wait=10, least=1))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await writer.produce(name, batch((None, b"x")))
        error, size, seconds = await waiting
    assert (error, size) == (0, len(batch((None, b"x"))))
    assert seconds < 5


async def test_a_fetch_without_records_ends_in_time(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    async with wire(bootstrap) as requests:
        error, size, seconds = await fetch(requests, name, 0, wait=0.4, least=1)
    assert (error, size) == (0, 0)
    assert 0.3 < seconds < 3


async def test_a_fetch_waits_for_as_many_bytes_as_it_wants(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    one = batch((None, bytes(1000)))
    async with wire(bootstrap) as reader, wire(bootstrap) as writer:
        waiting = asyncio.create_task(fetch(reader, name, 0, wait=10, least=len(one) * 3))
        for _ in range(3):
            assert not waiting.done()
            await writer.produce(name, one)
        _, size, seconds = await waiting
    assert size == len(one) * 3
    assert seconds < 5


async def test_a_fetch_of_an_unknown_topic_does_not_wait(bootstrap: str, name: str) -> None:
    async with wire(bootstrap) as requests:
        error, _, seconds = await fetch(requests, name, 0, wait=10, least=1)
    assert error == UnknownTopicOrPartitionError.errno
    assert seconds < 5


async def test_acks_other_than_0_1_all_are_refused(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    async with wire(bootstrap) as requests:
        response = await requests.send(ProduceRequest(None, 2, 1000, [(name, [(0, batch((None, b"x")))])]))
    assert response.topics[0][1][0][1] == 21


async def test_the_embedded_broker_refuses_transactions(bootstrap: str) -> None:
    if "CRASH_TEST_BOOTSTRAP" in os.environ:
        pytest.skip("Apache Kafka has transactions")
    async with wire(bootstrap) as requests:
        error, _ = await requests.producer_id("a-transaction")
    assert error == TransactionalIdAuthorizationFailed.errno
