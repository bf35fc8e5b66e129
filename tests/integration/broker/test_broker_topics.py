"""Conformance: topics, their partitions and their configs."""

import pytest
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import TopicPartition

from tests.embedded_broker import CreateTopic, admin, consumer, create_topic, producer, read


async def configs_of(bootstrap: str, name: str, *wanted: str) -> dict[str, tuple[str, bool]]:
    """``{name: (value, whether it is the topic's own)}``."""
    resource = ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(wanted) or None)
    async with admin(bootstrap) as client:
        (response,) = await client.describe_configs([resource])
    ((error, _, _, _, entries),) = response.resources
    assert error == 0
    return {key: (value, source == 1) for key, value, _, source, *_ in entries}


async def creation_error(bootstrap: str, topic: NewTopic, *, validate_only: bool = False) -> int:
    async with admin(bootstrap) as client:
        response = await client.create_topics([topic], validate_only=validate_only)
    return response.topic_errors[0][1]


async def test_a_created_topic_is_described_with_its_partitions(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(6)
    async with admin(bootstrap) as client:
        (described,) = await client.describe_topics([name])
        assert name in await client.list_topics()
    assert sorted(it["partition"] for it in described["partitions"]) == list(range(6))
    assert {it["error_code"] for it in described["partitions"]} == {0}


async def test_creating_a_topic_twice_is_refused(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    assert await creation_error(bootstrap, NewTopic(name, 1, 1)) == TopicAlreadyExistsError.errno


async def test_validate_only_creates_nothing(bootstrap: str, name: str) -> None:
    assert await creation_error(bootstrap, NewTopic(name, 1, 1), validate_only=True) == 0
    async with admin(bootstrap) as client:
        assert name not in await client.list_topics()


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"name": "no/slash"}, InvalidTopicError),
        ({"num_partitions": 0}, InvalidPartitionsError),
        ({"replication_factor": 3}, InvalidReplicationFactorError),
        ({"topic_configs": {"retention.ms": "soon"}}, InvalidConfigurationError),
        ({"topic_configs": {"no.such.config": "1"}}, InvalidConfigurationError),
    ],
)
async def test_a_wrong_topic_is_refused(
    bootstrap: str, name: str, overrides: dict[str, object], error: type[KafkaError]
) -> None:
    wrong = {"name": name, "num_partitions": 1, "replication_factor": 1} | overrides
    assert await creation_error(bootstrap, NewTopic(**wrong)) == error.errno


async def test_configs_are_described_with_their_source(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(cleanup_policy="compact")
    configs = await configs_of(bootstrap, name)
    assert configs["cleanup.policy"] == ("compact", True)
    assert configs["max.message.bytes"] == ("1048588", False)


async def test_only_the_configs_asked_for_are_described(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    assert set(await configs_of(bootstrap, name, "retention.ms")) == {"retention.ms"}


async def test_altered_configs_replace_those_before(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(retention_ms=1000)
    changed = ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "100"})
    async with admin(bootstrap) as client:
        (response,) = await client.alter_configs([changed])
    assert response.resources[0][0] == 0
    configs = await configs_of(bootstrap, name)
    assert configs["max.message.bytes"] == ("100", True)
    assert configs["retention.ms"] == ("604800000", False)


async def test_partitions_can_be_added(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(2)
    async with admin(bootstrap) as client:
        response = await client.create_partitions({name: NewPartitions(5)})
        (described,) = await client.describe_topics([name])
    assert response.topic_errors[0][1] == 0
    assert len(described["partitions"]) == 5
    async with producer(bootstrap) as client:
        assert (await client.send_and_wait(name, b"x", partition=4)).offset == 0


async def test_partitions_cannot_be_taken_away(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic(2)
    async with admin(bootstrap) as client:
        with pytest.raises(InvalidPartitionsError):
            await client.create_partitions({name: NewPartitions(1)})


async def test_a_deleted_topic_comes_back_empty(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    async with producer(bootstrap) as client:
        await client.send_and_wait(name, b"old")
    async with admin(bootstrap) as client:
        response = await client.delete_topics([name])
        assert response.topic_error_codes == [(name, 0)]
        assert name not in await client.list_topics()
    await create_topic(bootstrap, name)
    async with producer(bootstrap) as client:
        assert (await client.send_and_wait(name, b"new")).offset == 0
    assert [record.value for record in await read(bootstrap, name)] == [b"new"]


async def test_deleting_an_unknown_topic_is_refused(bootstrap: str, name: str) -> None:
    async with admin(bootstrap) as client:
        response = await client.delete_topics([name])
    assert response.topic_error_codes == [(name, UnknownTopicOrPartitionError.errno)]


async def test_deleted_records_are_out_of_reach(bootstrap: str, topic: CreateTopic) -> None:
    name = await topic()
    place = TopicPartition(name, 0)
    async with producer(bootstrap) as client:
        for value in (b"0", b"1", b"2"):
            await client.send_and_wait(name, value)
    async with admin(bootstrap) as client:
        assert await client.delete_records({place: RecordsToDelete(2)}) == {place: 2}
    async with consumer(bootstrap) as client:
        assert await client.beginning_offsets([place]) == {place: 2}
    assert [record.value for record in await read(bootstrap, name)] == [b"2"]
