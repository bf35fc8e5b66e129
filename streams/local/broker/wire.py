"""The wire: which requests the broker speaks, and how they are read and written.

The message schemas are aiokafka's. A handler sees a request as a nested dict and answers with one; it may
name fields that a version does not have and they are left out, so that versions are nobody's concern but
this module's.
"""

from dataclasses import dataclass
from io import BytesIO
from types import ModuleType
from typing import Any, NamedTuple

from aiokafka.errors import BrokerResponseError
from aiokafka.protocol import admin, commit, coordination, fetch, group, metadata, offset, produce, transaction
from aiokafka.protocol.types import Array, Bytes, Int16, Int32, Schema, String

from streams.errors import RequestError

Message = dict[str, Any]


@dataclass(frozen=True)
class Api:
    """One kind of request: the handler that answers it and the versions, both ends included."""

    handler: str
    schemas: ModuleType
    request: str
    oldest: int
    newest: int

    def schema(self, version: int) -> Any:
        """Return aiokafka's class for a version of the request."""
        return getattr(self.schemas, f"{self.request}_v{version}")

    @property
    def key(self) -> int:
        """Kafka's number for this kind of request."""
        return int(self.schema(self.oldest).API_KEY)


API_VERSIONS = Api("api_versions", admin, "ApiVersionRequest", 0, 2)
_SPOKEN = [
    API_VERSIONS,
    Api("metadata", metadata, "MetadataRequest", 1, 5),
    Api("create_topics", admin, "CreateTopicsRequest", 0, 3),
    Api("delete_topics", admin, "DeleteTopicsRequest", 0, 3),
    Api("create_partitions", admin, "CreatePartitionsRequest", 0, 1),
    Api("describe_configs", admin, "DescribeConfigsRequest", 0, 2),
    Api("alter_configs", admin, "AlterConfigsRequest", 0, 1),
    Api("produce", produce, "ProduceRequest", 3, 8),
    Api("init_producer_id", transaction, "InitProducerIdRequest", 0, 0),
    Api("fetch", fetch, "FetchRequest", 5, 11),
    Api("list_offsets", offset, "OffsetRequest", 1, 3),
    Api("delete_records", admin, "DeleteRecordsRequest", 0, 1),
    Api("find_coordinator", coordination, "FindCoordinatorRequest", 0, 1),
    Api("join_group", group, "JoinGroupRequest", 0, 2),
    Api("sync_group", group, "SyncGroupRequest", 0, 1),
    Api("heartbeat", group, "HeartbeatRequest", 0, 1),
    Api("leave_group", group, "LeaveGroupRequest", 0, 1),
    Api("offset_commit", commit, "OffsetCommitRequest", 2, 3),
    Api("offset_fetch", commit, "OffsetFetchRequest", 1, 3),
    Api("list_groups", admin, "ListGroupsRequest", 0, 1),
    Api("describe_groups", admin, "DescribeGroupsRequest", 0, 2),
    Api("delete_groups", admin, "DeleteGroupsRequest", 0, 1),
]
APIS = {api.key: api for api in _SPOKEN}


@dataclass(frozen=True)
class Client:
    """Who asks: its name for itself, where it is, and where it has reached us (and is told to come back to)."""

    id: str
    host: str
    reached_host: str
    reached_port: int


class Request(NamedTuple):
    """A request off the wire."""

    api: Api
    version: int
    correlation_id: int
    client_id: str
    body: Message


def read_request(frame: bytes) -> Request:
    """Decode one frame, without its length. RequestError says what is wrong with it."""
    data = BytesIO(frame)
    try:
        key, version, correlation_id = Int16.decode(data), Int16.decode(data), Int32.decode(data)
        client_id = String().decode(data) or ""
        api = APIS.get(key)
        if api is API_VERSIONS and version > api.newest:
            # A newer client asks this first and in its newest version; the answer to that is defined as of
            # version 0, with an error code, and makes it ask again.
            return Request(api, 0, correlation_id, client_id, {"unsupported": True})
        if api is None or not api.oldest <= version <= api.newest:
            raise RequestError(f"request {key} version {version} is not spoken")
        schema = api.schema(version).SCHEMA
        return Request(api, version, correlation_id, client_id, _named(schema, schema.decode(data)))
    except ValueError as error:
        raise RequestError(f"a malformed request: {error}") from error


def write_response(request: Request, answer: Message) -> list[bytes]:
    """Encode the answer to a request as one frame, in pieces so that large records are not copied."""
    pieces = [Int32.encode(request.correlation_id)]
    schema = request.api.schema(request.version).RESPONSE_TYPE.SCHEMA
    _encode(schema, {"throttle_time_ms": 0, "error_code": 0, "error_message": None, **answer}, pieces)
    return [Int32.encode(sum(map(len, pieces))), *pieces]


def refusal(error: BrokerResponseError | None) -> Message:
    """Give the fields that tell an error, or that there is none."""
    if error is None:
        return {"error_code": 0, "error_message": None}
    return {"error_code": error.errno, "error_message": str(error.args[0]) if error.args else error.message}


def _named(kind: Any, value: Any) -> Any:
    if isinstance(kind, Schema):
        parts = zip(kind.names, kind.fields, value, strict=True)
        return {name: _named(field, part) for name, field, part in parts}
    if isinstance(kind, Array) and value is not None:
        return [_named(kind.array_of, item) for item in value]
    return value


def _encode(kind: Any, value: Any, pieces: list[bytes]) -> None:
    if isinstance(kind, Schema):
        for name, field in zip(kind.names, kind.fields, strict=True):
            _encode(field, value[name], pieces)
    elif isinstance(kind, Array) and value is not None:
        pieces.append(Int32.encode(len(value)))
        for item in value:
            _encode(kind.array_of, item, pieces)
    elif kind is Bytes and value is not None:
        pieces += (Int32.encode(len(value)), value)
    else:
        pieces.append(kind.encode(value))
