"""Malformed messages on every topic: all of them in the dead letters, and nothing else held up.

Ten thousand on each, or `CRASH_MALFORMED`.
"""

import asyncio
import os
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.topics import CRASHES_SCORED, MODEL_CHANGES, TOPICS
from tests.e2e.running import Running, crash_stream

NUMBER = int(os.environ.get("CRASH_MALFORMED", "10000"))
# None of ours takes crashes-scored, and whatever comes to model-changes only says that it is time to look.
CONSUMED = [topic.name for topic in TOPICS if topic not in (CRASHES_SCORED, MODEL_CHANGES)]
# A run's name alone would ask for an audit of everything.
NONSENSE = (b"{", b"\xff\xfe", b"[]", b'{"request_id": 7}', b"", None, b'{"run_id": 7, "event": {"what": "?"}}')


@pytest.mark.timeout(120 + NUMBER / 4)
def test_malformed_messages_are_all_dead_letters_and_block_nothing(tmp_path: Path) -> None:
    arguments = ("--portal", "simulated", "--portal-crashes", "300")
    with Running(tmp_path / "data", *arguments, since="all") as service:
        service.wait_until("select count(*) > 0 from runs where status = 'complete'")
        asyncio.run(send(service.services.kafka_bootstrap))
        done = crash_stream(
            *("backfill", "--start", "2013-01-01", "--end", "2030-01-01", "--request-id", "after", "--wait"),
            *("--data-dir", str(service.data_dir)),
            cwd=tmp_path,
            seconds=100 + NUMBER / 10,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        service.wait_until(f"select count(*) >= {NUMBER * len(CONSUMED)} from dead_letters", 100 + NUMBER / 10)
        counts = service.ask("select topic, count(*) as letters from dead_letters group by topic order by topic")
        assert counts == [{"topic": topic, "letters": NUMBER} for topic in sorted(CONSUMED)]
        # With the bytes they had.
        (kept,) = service.ask("select count(distinct value) as n from dead_letters where topic = 'crash-pages'")
        assert kept["n"] == len({value for value in NONSENSE if value is not None})


async def send(bootstrap: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for topic in CONSUMED:
            sent = [
                await producer.send(topic, NONSENSE[number % len(NONSENSE)], key=str(number).encode())
                for number in range(NUMBER)
            ]
            await asyncio.gather(*sent)
