"""A worker for tests: `python -m tests.stream_app BOOTSTRAP DIR IN_FLIGHT DIE_AFTER` writes down what it handles.

It changes a table where it handles one message at a time, and dies of kill -9 after DIE_AFTER messages (0: never).
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from streams.app import StreamApp
from streams.publisher import Publisher, declare_topics
from streams.records import BackfillRequest
from streams.settings import Settings
from streams.topics import BACKFILL_REQUESTS


async def main(bootstrap: str, folder: Path, in_flight: int, die_after: int) -> None:
    settings = Settings(kafka_bootstrap=bootstrap, data_dir=folder)
    await declare_topics(bootstrap)
    async with Publisher(bootstrap) as publisher:
        app = StreamApp("test-app", settings, publisher.publish)
        seen = app.table("seen", BACKFILL_REQUESTS.partitions)
        handled = 0

        async def handle(request: BackfillRequest) -> None:
            nonlocal handled
            number = int(request.request_id.removeprefix("r"))
            # The first messages take longest: those behind them are done before.
            await asyncio.sleep(0.3 if in_flight > 1 and number < 4 else 0.01)
            if in_flight == 1:
                seen[request.request_id] = True
            with (folder / "handled").open("a") as file:
                file.write(f"{request.request_id}\n")
            handled += 1
            if handled == die_after:
                os.kill(os.getpid(), signal.SIGKILL)

        app.consume(BACKFILL_REQUESTS, BackfillRequest, "plan", handle, in_flight)
        await app.run()


if __name__ == "__main__":
    bootstrap, folder, in_flight, die_after = sys.argv[1:]
    try:
        asyncio.new_event_loop().run_until_complete(main(bootstrap, Path(folder), int(in_flight), int(die_after)))
    finally:
        os._exit(0)  # as `crash-stream worker` does
