"""Conformance: consumer groups and committed offsets."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, GroupIdNotFound, NonEmptyGroup
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from tests.embedded_broker import CreateTopic, admin, consumer, producer, wire

QUICK = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 300}  # no broker need allow a shorter session

MEMBER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main(bootstrap, name):
    member = AIOKafkaConsumer(name, bootstrap_servers=bootstrap, group_id=name, session_timeout_ms=6000)
    await member.start()
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def shares(*members: AIOKafkaConsumer) -> list[int]:
    return [len(member.assignment()) for member in members]


async def join(stack: AsyncExitStack, bootstrap: str, name: str) -> AIOKafkaConsumer:
    """Another member of the group that is named like its topic."""
    return await stack.enter_async_context(consumer(bootstrap, name, group_id=name, **QUICK))


async def fill(bootstrap: str, topic: str, numbers: range) -> None:
    async with producer(bootstrap, linger_ms=10) as client:
        await asyncio.gather(*[await client.send(topic, b"%d" % n, b"%d" % n) for n in numbers])


@asynccontextmanager
async def working(member: AIOKafkaConsumer) -> AsyncIterator[list[bytes]]:
    """Let a member read and commit all the while; gives what it has committed."""
    done: list[bytes] = []
    enough = asyncio.Event()

    async def work() -> None:
        while not enough.is_set():
            found = await member.getmany(timeout_ms=100, max_records=20)
            values = [record.value for records in found.values() for record in records]
            try:
                if values:
                    await member.commit()
                    done.extend(values)
            except CommitFailedError:
                pass  # they were taken away meanwhile: their next owner reads them again

    task = asyncio.create_task(work())
    try:
        yield done
    finally:
        enough.set()
        await task


async def test_a_group_goes_on_where_it_committed(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(3)
    await fill(bootstrap, name, range(60))
    async with consumer(bootstrap, name, group_id=name, **QUICK) as member:
        first = {(await member.getone()).value for _ in range(25)}
        await member.commit()
    async with consumer(bootstrap, name, group_id=name, **QUICK) as member:
        rest = {(await member.getone()).value for _ in range(35)}
    assert first | rest == {b"%d" % n for n in range(60)}


async def test_a_commit_keeps_its_metadata(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    place = TopicPartition(name, 0)
    async with consumer(bootstrap, group_id=name) as client:
        client.assign([place])
        assert await client.committed(place) is None
        await client.commit({place: OffsetAndMetadata(7, "note")})
        assert await client.committed(place) == 7
    async with admin(bootstrap) as client:
        assert await client.list_consumer_group_offsets(name) == {place: OffsetAndMetadata(7, "note")}


async def test_a_group_is_listed_and_described(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(2)
    async with admin(bootstrap) as client, consumer(bootstrap, name, group_id=name, **QUICK) as member:
        await until(lambda: shares(member) == [2])
        assert (name, "consumer") in await client.list_consumer_groups()
        (response,) = await client.describe_consumer_groups([name])
    ((error, group, state, kind, protocol, members, *_),) = response.groups
    assert (error, group, state, kind) == (0, name, "Stable", "consumer")
    assert protocol
    assert len(members) == 1


async def test_an_unknown_group_is_dead(bootstrap: str, name: str) -> None:
    async with admin(bootstrap) as client:
        (response,) = await client.describe_consumer_groups([name])
    assert response.groups[0][2] == "Dead"


async def test_three_members_share_the_partitions(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(6)
    async with AsyncExitStack() as stack:
        members = [await join(stack, bootstrap, name)]
        await until(lambda: shares(*members) == [6])
        members.append(await join(stack, bootstrap, name))
        await until(lambda: shares(*members) == [3, 3])
        members.append(await join(stack, bootstrap, name))
        await until(lambda: shares(*members) == [2, 2, 2])
        assert len(set().union(*(member.assignment() for member in members))) == 6


async def test_members_that_start_together_share_the_first_generation(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(4)
    async with AsyncExitStack() as stack:
        members = await asyncio.gather(join(stack, bootstrap, name), join(stack, bootstrap, name))
        await until(lambda: shares(*members) == [2, 2])


async def test_the_partitions_of_a_member_that_leaves_go_to_the_others(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(4)
    async with consumer(bootstrap, name, group_id=name, **QUICK) as staying:
        async with consumer(bootstrap, name, group_id=name, **QUICK) as leaving:
            await until(lambda: shares(staying, leaving) == [2, 2])
        await until(lambda: shares(staying) == [4], seconds=4)  # well before a session would end


async def test_the_partitions_of_a_member_that_dies_go_to_the_others(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(4)
    async with consumer(bootstrap, name, group_id=name, **QUICK) as staying:
        dying = await asyncio.create_subprocess_exec(sys.executable, "-c", MEMBER, bootstrap, name)
        try:
            await until(lambda: shares(staying) == [2])
        finally:
            dying.kill()
            await dying.wait()
        await until(lambda: shares(staying) == [4])


async def test_a_rebalance_loses_and_repeats_nothing(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(6)
    await fill(bootstrap, name, range(2000))
    async with consumer(bootstrap, name, group_id=name, **QUICK) as staying, working(staying) as by_one:
        await until(lambda: len(by_one) > 100)
        async with consumer(bootstrap, name, group_id=name, **QUICK) as leaving, working(leaving) as by_other:
            await until(lambda: shares(staying, leaving) == [3, 3])
            await fill(bootstrap, name, range(2000, 4000))
            await until(lambda: len(by_other) > 100)
        await until(lambda: len(by_one) + len(by_other) >= 4000)
    assert sorted(by_one + by_other) == sorted(b"%d" % n for n in range(4000))


async def test_a_commit_of_a_member_that_was_replaced_is_refused(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    place = TopicPartition(name, 0)
    async with consumer(bootstrap, name, group_id=name, **QUICK) as member:
        await until(lambda: shares(member) == [1])
        async with consumer(bootstrap, group_id=name) as outsider:
            outsider.assign([place])
            with pytest.raises(CommitFailedError):
                await outsider.commit({place: 5})
        assert await member.committed(place) is None


async def test_a_deleted_group_forgets_what_it_committed(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    place = TopicPartition(name, 0)

    async def delete() -> int:
        async with wire(bootstrap) as requests:
            ((_, error),) = (await requests.send(DeleteGroupsRequest([name]))).results
        return int(error)

    async with consumer(bootstrap, name, group_id=name, **QUICK) as member:
        await until(lambda: shares(member) == [1])
        await member.commit({place: 3})
        assert await delete() == NonEmptyGroup.errno
    assert await delete() == 0
    assert await delete() == GroupIdNotFound.errno
    async with admin(bootstrap) as client:
        assert await client.list_consumer_group_offsets(name) == {}
