"""A worker that only keeps schedules: `python -m tests.schedule_app BOOTSTRAP DIR`."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from agents.schedule import schedule
from streams.app import StreamApp
from streams.clock import tick
from streams.publisher import Publisher, declare_topics
from streams.records import ScheduleChange
from streams.settings import Settings
from streams.topics import SCHEDULE_CHANGES


async def main(bootstrap: str, folder: Path) -> None:
    await declare_topics(bootstrap)
    async with Publisher(bootstrap) as publisher:
        app = StreamApp("test-schedules", Settings(kafka_bootstrap=bootstrap, data_dir=folder), publisher.publish)
        states = app.table("schedules", SCHEDULE_CHANGES.partitions)
        emit = publisher.publish
        app.consume(SCHEDULE_CHANGES, ScheduleChange, "schedule", partial(schedule, states=states, emit=emit))
        app.clock(partial(tick, states, partial(app.owns, SCHEDULE_CHANGES), emit, partial(datetime.now, UTC)))
        await app.run()


if __name__ == "__main__":
    try:
        asyncio.new_event_loop().run_until_complete(main(sys.argv[1], Path(sys.argv[2])))
    finally:
        os._exit(0)  # as `crash-stream worker` does
