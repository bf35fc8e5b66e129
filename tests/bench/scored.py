"""How long a crash is in Gold before its score is: in a living city, seen from outside by asking again and again."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from streams.storage.gold.client import GoldClient
from tests.e2e.running import Running

ASK_SECONDS = 0.05
TRAINED = "select count(distinct target) = 2 from scores having count(*) = 2 * (select count(*) from crashes)"
LACKING = """
    select crash_record_id from crashes left join scores using (crash_record_id)
    where crash_date > $since::timestamp group by all having count(target) < 2
"""
SCORED = "select count(distinct (crash_record_id, scored_at)) as n from scores where scored_at > $since::timestamp"


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("--portal", "simulated", "--portal-speed", "100")
        with Running(Path(folder) / "data", *arguments, poll_seconds="1") as service:
            service.wait_until(TRAINED)
            (start,) = service.ask(
                "select max(crash_date)::varchar as crash, max(scored_at)::varchar as scored from crashes, scores"
            )
            waits = asyncio.run(watch(service.services.gold_port, start["crash"], seconds))
            (scored,) = service.ask(SCORED, since=start["scored"])
    print(
        f"{scored['n']} scores of crashes that came or changed in {seconds:.0f} s; {len(waits)} of them lacked one at a"
        f" look every {ASK_SECONDS * 1000:.0f} ms"
    )
    if waits:
        ordered = sorted(waits)
        half, most = median(ordered) * 1000, ordered[-1] * 1000
        high = ordered[int(len(ordered) * 0.99)] * 1000
        print(f"for {half:.0f} ms in the median, {high:.0f} ms at the 99th percentile, {most:.0f} ms at most")


async def watch(port: int, since: str, seconds: float) -> list[float]:
    """How long each new crash was seen without its scores."""
    first: dict[str, float] = {}
    waits: list[float] = []
    end = time.monotonic() + seconds
    async with GoldClient(f"http://127.0.0.1:{port}") as gold:
        while (now := time.monotonic()) < end:
            answer = await gold.query(LACKING, parameters={"since": since})
            lacking = {row["crash_record_id"] for row in answer.table.to_pylist()}
            waits += [now - first.pop(crash) for crash in [*first] if crash not in lacking]
            first |= {crash: now for crash in lacking if crash not in first}
            await asyncio.sleep(ASK_SECONDS)
    return waits


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 60.0)
