"""The embedded broker as a child process, and batches and requests as a client would send them."""

import gc
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

CreateTopic = Callable[..., Awaitable[str]]  # (partitions, **configs) -> the topic's name

# A broker that goes away under aiokafka's clients makes them leak a transport now and then. The warning is
# not about what is tested; it comes with the garbage collection, and must not reach another test.
CLIENTS_LEAK = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

READY_WITHIN = 15  # seconds


class EmbeddedBroker:
    """``python -m streams.local.broker`` over ``data_dir``; the port stays the same over restarts."""

    def __init__(self, data_dir: Path, *, cleanup_seconds: float = 30) -> None:
        self.data_dir = data_dir
        self.log_file = data_dir.with_name(f"{data_dir.name}.log")
        self.port = free_port()
        self.cleanup_seconds = cleanup_seconds
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "EmbeddedBroker":
        command = [sys.executable, "-m", "streams.local.broker", "--data-dir", str(self.data_dir)]
        command += ["--port", str(self.port), "--cleanup-seconds", str(self.cleanup_seconds)]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + READY_WITHIN
        while not answers_api_versions(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the broker is not ready: {self.log_file.read_text()}")
            time.sleep(0.05)  # it listens when it is ready, and has no other way to say so
        return self

    def kill(self) -> None:
        """As a crash of the process does it: SIGKILL."""
        assert self.process
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """Ask it to stop and return its exit code; two seconds must do."""
        assert self.process
        self.process.terminate()
        code = self.process.wait(timeout=2)
        self.process = None
        return code

    def events(self) -> list[dict[str, Any]]:
        """What it has logged; each line is JSON."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def partition_dir(self, topic: str, index: int = 0) -> Path:
        (folder,) = (self.data_dir / "topics").glob(f"{topic}.*")
        return folder / str(index)

    def __enter__(self) -> "EmbeddedBroker":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()
        gc.collect()  # see CLIENTS_LEAK


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers_api_versions(port: int) -> bool:
    """Whether a Kafka broker answers at this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
            return connection.recv(8)[4:] == struct.pack(">i", 7)
    except OSError:
        return False


def batch(
    *records: tuple[bytes | None, bytes | None],
    producer: tuple[int, int, int] = (-1, -1, -1),
    timestamp: int | None = None,
    codec: int = 0,
) -> bytes:
    """One batch of ``(key, value)`` by ``(producer id, epoch, first sequence)``."""
    id_, epoch, sequence = producer
    builder = DefaultRecordBatchBuilder(2, codec, 0, id_, epoch, sequence, 2**30)
    for offset, (key, value) in enumerate(records):
        builder.append(offset, timestamp, key, value, [])
    return bytes(builder.build())


class Wire:
    """Requests as they are, whatever aiokafka's own producer and consumer would make of them."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    async def send(self, request: Any) -> Any:
        (broker,) = self._client.cluster.brokers()
        return await self._client.send(broker.nodeId, request)

    async def produce(self, topic: str, data: bytes, *, transactional_id: str | None = None) -> tuple[int, int]:
        """Send a batch to partition 0; returns ``(error code, offset)``."""
        response = await self.send(ProduceRequest(transactional_id, -1, 5000, [(topic, [(0, data)])]))
        ((_, ((_, error, offset, *_),)),) = response.topics
        return error, offset

    async def producer_id(self, transactional_id: str | None = None) -> tuple[int, int]:
        """Ask for a producer id; returns ``(error code, id)``."""
        response = await self.send(InitProducerIdRequest(transactional_id, 5000))
        return response.error_code, response.producer_id


@asynccontextmanager
async def wire(bootstrap: str) -> AsyncIterator[Wire]:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        yield Wire(client)
    finally:
        await client.close()


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def producer(bootstrap: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(bootstrap_servers=bootstrap, **options)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def consumer(bootstrap: str, *topics: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that begins with the first record, and commits only when told."""
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False} | options
    client = AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, **options)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def create_topic(bootstrap: str, name: str, partitions: int = 1, **configs: object) -> None:
    """Create a topic; ``max_message_bytes=1`` stands for the config ``max.message.bytes``."""
    named = {key.replace("_", "."): str(value) for key, value in configs.items()}
    async with admin(bootstrap) as client:
        response = await client.create_topics([NewTopic(name, partitions, 1, topic_configs=named)])
    for _, error, message in response.topic_errors:
        assert error == 0, message


async def read(bootstrap: str, topic: str, **options: Any) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record of a topic's first partition, from the first to the last there is now."""
    place = TopicPartition(topic, 0)
    async with consumer(bootstrap, **options) as client:
        client.assign([place])
        await client.seek_to_beginning()
        end = (await client.end_offsets([place]))[place]
        records: list[ConsumerRecord[bytes, bytes]] = []
        while await client.position(place) < end:
            for found in (await client.getmany(timeout_ms=1000)).values():
                records += found
        return records
