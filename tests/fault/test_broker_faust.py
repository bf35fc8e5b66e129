"""Faust over the embedded broker: a worker is killed in mid-stream and nothing it was sent is lost."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded_broker import EmbeddedBroker, admin, create_topic, free_port, producer, read

WORKER = """
import faust, os

app = faust.App(
    "seen", broker=f"kafka://{os.environ['BOOTSTRAP']}", datadir=os.environ["DATADIR"], store="memory://",
    broker_session_timeout=3, broker_heartbeat_interval=0.5, broker_commit_interval=0.2,
    topic_disable_leader=True, topic_replication_factor=1, topic_partitions=3, autodiscover=False,
    web_enabled=False, stream_wait_empty=False,
)
inputs = app.topic("inputs", key_type=str, value_type=str, internal=True, partitions=3)
outputs = app.topic("outputs", value_type=str, partitions=1)
seen = app.Table("seen", default=str, partitions=3)

@app.agent(inputs)
async def keep(stream):
    async for key, value in stream.items():
        seen[key] = value
        await outputs.send(value=f"{key} {value} {len(seen)}")
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "data") as broker:
        yield broker


async def test_a_killed_worker_goes_on_with_its_table(broker: EmbeddedBroker, tmp_path: Path) -> None:
    (tmp_path / "worker_app.py").write_text(WORKER)
    await create_topic(broker.bootstrap, "inputs", 3)
    await create_topic(broker.bootstrap, "outputs")
    environment = os.environ | {"BOOTSTRAP": broker.bootstrap, "DATADIR": str(tmp_path), "PYTHONPATH": str(tmp_path)}

    async def start() -> asyncio.subprocess.Process:
        command = ["-m", "faust", "-A", "worker_app", "worker", "-l", "warn", "-p", str(free_port())]
        with (tmp_path / "worker.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, *command, env=environment, cwd=tmp_path, stdout=log, stderr=log
            )

    async def outputs() -> list[list[str]]:
        return [record.value.decode().strip('"').split() for record in await read(broker.bootstrap, "outputs")]

    async def until_seen(count: int) -> None:
        async with asyncio.timeout(40):
            while len({key for key, *_ in await outputs()}) < count:
                await asyncio.sleep(0.1)

    async def send(numbers: range) -> None:
        async with producer(broker.bootstrap) as client:
            for number in numbers:
                await client.send("inputs", b'"v%d"' % number, b"k%d" % number)
            await client.flush()

    workers = [await start()]
    try:
        await send(range(2000))
        await until_seen(300)
        workers[0].kill()  # in mid-stream
        await send(range(2000, 3000))
        workers.append(await start())
        await until_seen(3000)
        # The table was recovered from its changelog: it holds every key in the end, not only the second run's.
        assert max(int(size) for *_, size in await outputs()) == 3000
        workers.append(await start())
        await send(range(3000, 4000))
        await until_seen(4000)
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()

    pairs = {(key, value) for key, value, _ in await outputs()}
    assert pairs == {(f"k{n}", f"v{n}") for n in range(4000)}
    async with admin(broker.bootstrap) as client:
        (changelog,) = await client.describe_topics(["seen-seen-changelog"])
        assert len(changelog["partitions"]) == 3
        assert await client.list_consumer_group_offsets("seen")
