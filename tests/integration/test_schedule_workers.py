"""Schedules with real workers on a real broker: a time runs once however many there are, and when they start again."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from streams.domain.cron import CHICAGO, latest_time
from streams.publisher import Publisher, declare_topics
from streams.records import AuditRequest, Schedule, ScheduleChange
from streams.topics import AUDIT_REQUESTS, SCHEDULE_CHANGES
from tests.embedded_broker import EmbeddedBroker, consumer

# Far enough from its next time.
CRON = f"{datetime.now(CHICAGO) - timedelta(hours=6):%M %H} * * *"
DAILY = Schedule(schedule_id="daily", cron=CRON, mode="audit", missed="once")


@contextmanager
def workers(broker: EmbeddedBroker, folder: Path, number: int) -> Iterator[None]:
    with ExitStack() as stack:
        for index in range(number):
            arguments = [broker.bootstrap, str(folder / str(index))]
            process = stack.enter_context(subprocess.Popen([sys.executable, "-m", "tests.schedule_app", *arguments]))
            stack.callback(process.terminate)
        yield


async def audits(reader: AIOKafkaConsumer, seconds: float) -> list[str]:
    """Names of the audits asked for, within `seconds` of the last one."""
    names = []
    while True:
        try:
            message = await asyncio.wait_for(reader.getone(), seconds)
        except TimeoutError:
            return names
        names.append(AuditRequest.decode(message.value).run_id)
        seconds = 2.0  # for whoever might ask again


def run_id(due: datetime) -> str:
    return f"schedule-daily-{due.astimezone(CHICAGO):%Y%m%dT%H%M}"


async def test_a_time_runs_once_however_many_workers_there_are_and_after_they_start_again(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    missed = latest_time(DAILY.cron, now)
    with EmbeddedBroker(tmp_path / "broker") as broker:
        await declare_topics(broker.bootstrap)
        async with (
            Publisher(broker.bootstrap) as publisher,
            consumer(broker.bootstrap, AUDIT_REQUESTS.name) as reader,
        ):

            async def publish(**change: object) -> None:
                record = ScheduleChange.model_validate({"schedule_id": "daily", **change})
                await publisher.publish(SCHEDULE_CHANGES, record)

            await publish(change="create", schedule=DAILY, at=missed - timedelta(hours=1))
            with workers(broker, tmp_path, 2):
                assert await audits(reader, 40) == [run_id(missed)]
            with workers(broker, tmp_path, 1):
                # Another clock was late with the first; only who has the table again can tell.
                await publish(change="fire", due=missed)
                await publish(change="fire", due=now)
                assert await audits(reader, 40) == [run_id(now)]
                await publish(change="delete")
                await publish(change="fire", due=now + timedelta(hours=1))
                assert await audits(reader, 2) == []
