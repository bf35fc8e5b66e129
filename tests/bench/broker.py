"""How much the embedded broker carries, and how long it keeps one waiting: `python -m tests.bench.broker [MB]`."""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.embedded_broker import EmbeddedBroker, consumer, create_topic, producer

KIB = 1024


def tell(what: str, messages: int, seconds: float) -> None:
    print(f"{what:<52} {seconds:7.2f} s {messages / seconds:12,.0f} messages/s", flush=True)


def resident(broker: EmbeddedBroker) -> int:
    """Most memory the broker has ever held, in MB."""
    assert broker.process
    status = Path(f"/proc/{broker.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


async def throughput(broker: EmbeddedBroker, messages: int) -> None:
    await create_topic(broker.bootstrap, "many", 4)
    value = os.urandom(KIB)
    begun = time.perf_counter()
    async with producer(broker.bootstrap, max_batch_size=256 * KIB, linger_ms=5, acks="all") as client:
        for _ in range(messages):
            await client.send("many", value)
    tell("produce, 1 KiB in batches, acks=all", messages, time.perf_counter() - begun)

    begun, read = time.perf_counter(), 0
    async with consumer(broker.bootstrap, "many", max_partition_fetch_bytes=4 * KIB * KIB) as client:
        while read < messages:
            read += sum(map(len, (await client.getmany(timeout_ms=1000)).values()))
    tell("consume", messages, time.perf_counter() - begun)


async def latency(broker: EmbeddedBroker, what: str, count: int = 500) -> None:
    """One message at a time."""
    waited = []
    async with producer(broker.bootstrap) as client:
        for _ in range(count):
            begun = time.perf_counter()
            await client.send_and_wait("single", b"x")
            waited.append(1000 * (time.perf_counter() - begun))
    median, worst = statistics.median(waited), statistics.quantiles(waited, n=100)[-1]
    print(f"{what:<52} median {median:.1f} ms, 99 % within {worst:.1f} ms", flush=True)


async def overwrite(broker: EmbeddedBroker, messages: int) -> None:
    """A changelog of a thousand keys, compacted meanwhile."""
    async with producer(broker.bootstrap, max_batch_size=64 * KIB, linger_ms=5) as client:
        for number in range(messages):
            await client.send("changelog", os.urandom(KIB), b"%d" % (number % 1000))


async def main(megabytes: int = 300) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder) / "data", cleanup_seconds=1) as broker:
        await throughput(broker, megabytes * KIB)
        await create_topic(broker.bootstrap, "single")
        await latency(broker, "produce and wait, idle")
        await create_topic(broker.bootstrap, "changelog", cleanup_policy="compact")
        await overwrite(broker, megabytes * KIB // 2)
        await latency(broker, "produce and wait, right after a changelog was written")
        runs = [event for event in broker.events() if event["event"] == "compacted"]
        print(f"{len(runs)} compactions; at most {resident(broker)} MB of memory", flush=True)
        broker.kill()
        begun = time.perf_counter()
        broker.start()
        print(f"ready again after a kill in {time.perf_counter() - begun:.2f} s", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
