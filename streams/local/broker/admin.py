"""Requests about the broker and its topics: ApiVersions, Metadata, topics, partitions, configs.

A topic is never created by asking for it: a client that comes before the service would otherwise fix the
number of partitions, and Faust refuses to start on any other than its own.
"""

from collections.abc import Awaitable
from dataclasses import dataclass

from aiokafka.errors import (
    BrokerResponseError,
    InvalidReplicationFactorError,
    InvalidRequestError,
    KafkaStorageError,
    UnsupportedVersionError,
)

from streams.local.broker.configs import KNOWN, TopicConfig
from streams.local.broker.topics import Topic, Topics
from streams.local.broker.wire import APIS, Client, Message, refusal

NODE = 0
_TOPIC = 2  # a resource type
_FROM_TOPIC, _FROM_DEFAULT = 1, 5  # sources of a config


@dataclass
class Admin:
    """The handlers of requests about topics."""

    topics: Topics

    async def api_versions(self, request: Message, client: Client) -> Message:
        """Tell which requests are spoken, in which versions."""
        spoken = [{"api_key": key, "min_version": api.oldest, "max_version": api.newest} for key, api in APIS.items()]
        error_code = UnsupportedVersionError.errno if request.get("unsupported") else 0
        return {"error_code": error_code, "api_versions": spoken}

    async def metadata(self, request: Message, client: Client) -> Message:
        """Describe topics: those asked for, or all for None."""
        names = request["topics"]
        described = [_describe(topic) for topic in self.topics] if names is None else []
        for name in names or ():
            try:
                described.append(_describe(self.topics.topic(name)))
            except BrokerResponseError as error:
                unknown = {"error_code": error.errno, "topic": name, "is_internal": False, "partitions": []}
                described.append(unknown)
        return {
            "brokers": [{"node_id": NODE, "host": client.reached_host, "port": client.reached_port, "rack": None}],
            "cluster_id": "embedded",
            "controller_id": NODE,
            "topics": described,
        }

    async def create_topics(self, request: Message, client: Client) -> Message:
        """Create topics; there is one broker, so their replication factor is 1."""

        async def create(wanted: Message) -> None:
            assignment = wanted["replica_assignment"]
            if not assignment and wanted["replication_factor"] not in (1, -1):
                raise InvalidReplicationFactorError("the replication factor is 1: there is one broker")
            partitions = len(assignment) or wanted["num_partitions"]
            configs = {it["config_key"]: it["config_value"] for it in wanted["configs"]}
            await self.topics.create(
                wanted["topic"],
                1 if partitions == -1 else partitions,
                configs,
                dry_run=request.get("validate_only", False),
            )

        answers = [
            {"topic": wanted["topic"], **await _outcome(create(wanted))} for wanted in request["create_topic_requests"]
        ]
        return {"topic_errors": answers}

    async def delete_topics(self, request: Message, client: Client) -> Message:
        """Delete topics."""
        answers = [{"topic": name, **await _outcome(self.topics.delete(name))} for name in request["topics"]]
        return {"topic_error_codes": answers}

    async def create_partitions(self, request: Message, client: Client) -> Message:
        """Add partitions to topics."""
        answers = []
        for wanted in request["topic_partitions"]:
            name, number = wanted["topic"], wanted["new_partitions"]["count"]
            extended = self.topics.extend(name, number, dry_run=request["validate_only"])
            answers.append({"topic": name, **await _outcome(extended)})
        return {"topic_errors": answers}

    async def describe_configs(self, request: Message, client: Client) -> Message:
        """Tell topics' configs, defaults included; there are none of the broker."""
        answers = []
        for asked in request["resources"]:
            entries, outcome = [], refusal(None)
            try:
                config = self.topics.topic(_topic_of(asked)).config
                wanted = asked["config_names"]
                entries = [_config_entry(name, config) for name in KNOWN if wanted is None or name in wanted]
            except BrokerResponseError as error:
                outcome = refusal(error)
            answers.append({**_resource(asked), **outcome, "config_entries": entries})
        return {"resources": answers}

    async def alter_configs(self, request: Message, client: Client) -> Message:
        """Replace topics' configs by those given."""

        async def alter(asked: Message) -> None:
            configs = {it["config_name"]: it["config_value"] for it in asked["config_entries"]}
            await self.topics.configure(_topic_of(asked), configs, dry_run=request["validate_only"])

        answers = [{**_resource(asked), **await _outcome(alter(asked))} for asked in request["resources"]]
        return {"resources": answers}


async def _outcome(change: Awaitable[None]) -> Message:
    try:
        await change
    except BrokerResponseError as error:
        return refusal(error)
    except OSError as error:
        return refusal(KafkaStorageError(str(error)))
    return refusal(None)


def _describe(topic: Topic) -> Message:
    partitions = [
        {
            "error_code": 0,
            "partition": index,
            "leader": NODE,
            "replicas": [NODE],
            "isr": [NODE],
            "offline_replicas": [],
        }
        for index in range(len(topic.partitions))
    ]
    return {"error_code": 0, "topic": topic.name, "is_internal": False, "partitions": partitions}


def _resource(asked: Message) -> Message:
    return {"resource_type": asked["resource_type"], "resource_name": asked["resource_name"]}


def _topic_of(asked: Message) -> str:
    if asked["resource_type"] != _TOPIC:
        raise InvalidRequestError("only topics have configs here (resource type 2)")
    return str(asked["resource_name"])


def _config_entry(name: str, config: TopicConfig) -> Message:
    chosen = name in config.chosen
    return {
        "config_names": name,
        "config_value": config[name],
        "read_only": False,
        "is_default": not chosen,
        "config_source": _FROM_TOPIC if chosen else _FROM_DEFAULT,
        "is_sensitive": False,
        "config_synonyms": [],
    }
