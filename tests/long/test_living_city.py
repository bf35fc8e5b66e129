"""A city that lives at a thousand times real speed is followed, and once it stands still the copy is equal to it.

For an hour, or `CRASH_LIVING_SECONDS`.
"""

import asyncio
import json
import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from streams.storage.objects import S3Objects
from tests.e2e.killed import portal_rows
from tests.e2e.running import Running, crash_stream
from tests.recompute import differences, expected

SECONDS = float(os.environ.get("CRASH_LIVING_SECONDS", "3600"))
CITY = ("--portal", "simulated", "--portal-crashes", "1500")
SETTINGS = {"since": "all", "poll_seconds": "2", "keep_versions_days": "0.002"}

# What a part may take more at the end than a young one.
MORE_MEMORY = 150 * 1024 * 1024
# Versions of Silver are kept for three minutes, and swept as often; this is well past it.
EXPIRED = timedelta(minutes=10)
# Of what the same rows take in a file of their own, and of what the objects take that are there.
GOLD_FILE = S3_FILES = 3
# What is still on its way when the city stops to live.
NO_LAG = "select count(*) = 0 from runs where status = 'running'"
LAG_SECONDS = 600
# The store gives back the space of what was deleted every quarter of an hour.
SWEEP_SECONDS = 1500


@pytest.mark.timeout(SECONDS * 1.1 + SWEEP_SECONDS + LAG_SECONDS + 400)
def test_a_living_city_is_followed_to_the_last_row(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with Running(data_dir, *CITY, "--portal-speed", "1000", **SETTINGS) as service:
        service.wait_until("select count(*) > 0 from runs where kind = 'first-start' and status = 'complete'")
        time.sleep(SECONDS / 3)  # it lives
        settled = memory(service)
        time.sleep(SECONDS * 2 / 3)
        old = memory(service)
        (streamed,) = service.ask(
            "select count(*) as runs, sum(crashes_changed) as crashes from runs where kind = 'stream'"
        )
        assert streamed["runs"] > SECONDS / 10
        assert streamed["crashes"] > 0
        # Months grow with the data, and with them what is merged and loaded at a time. So an old process is compared
        # with one that has just begun, and has been through the same months.
        for part in ("worker", "gold"):
            service.kill(part)
        time.sleep(max(60.0, SECONDS / 10))
        fresh = settled | {part: memory(service)[part] for part in ("worker", "gold")}
        grown = {part: old[part] - size for part, size in fresh.items()}
        assert max(grown.values()) < MORE_MEMORY, (old, grown)

    # The same city, standing still: what it published last is behind the watermarks, and a deletion leaves no trace.
    with Running(data_dir, *CITY, **SETTINGS) as service:
        idle = "rows = 0 and not out_of_date and polled_at > $since::timestamp"
        service.wait_until(
            f"select count(*) filter ({idle}) = 3 from watermarks",
            since=datetime.now(UTC).replace(tzinfo=None).isoformat(),
        )
        service.wait_until(NO_LAG, LAG_SECONDS)
        # The city lives ahead of our clock.
        audit = crash_stream("audit", "--end", "2030-01-01", "--data-dir", str(data_dir), cwd=tmp_path)
        assert audit.returncode == 0, audit.stdout + audit.stderr
        service.wait_until(NO_LAG)
        truth = expected(portal_rows(service.services.portal_url))
        assert service.ask("select * from dead_letters") == []
        past_keeping, kept_bytes = asyncio.run(stored(service))
        assert past_keeping == {}
        deadline = time.monotonic() + SWEEP_SECONDS
        while disk(data_dir)["s3"] > S3_FILES * kept_bytes:
            assert time.monotonic() < deadline, (disk(data_dir), kept_bytes)
            time.sleep(1)  # the store sweeps in its own time
        status = crash_stream("status", "--data-dir", str(data_dir), cwd=tmp_path)
        assert status.returncode == 0, status.stdout
        print(
            json.dumps(
                {
                    "disk": disk(data_dir),
                    "objects": kept_bytes,
                    "memory": old,
                    "grown": grown,
                    "streamed": str(streamed),
                }
            )
        )

    file = data_dir / "gold" / "gold.duckdb"
    with duckdb.connect(file, read_only=True) as gold:
        assert differences(truth, gold) == []
        compact = tmp_path / "compact.duckdb"
        gold.execute(f"attach '{compact}' as compact (read_write); copy from database gold to compact; detach compact")
    assert file.stat().st_size < GOLD_FILE * compact.stat().st_size


async def stored(service: Running) -> tuple[dict[str, int], int]:
    """Months with more versions past their time than the two that stay, the newest and the last of other content; and
    the bytes of all objects.
    """
    now = datetime.now(UTC)
    old: Counter[str] = Counter()
    size = 0
    endpoint = service.services
    async with S3Objects(endpoint.s3_endpoint_url, endpoint.s3_access_key, endpoint.s3_secret_key) as objects:
        for bucket in ("bronze", "silver", "models"):
            async for info in objects.list(bucket):
                size += info.size
                if "/versions/" in info.key and info.modified < now - EXPIRED:
                    old[info.key.split("/")[0]] += 1
    return {month: number for month, number in old.items() if number > 2}, size


def memory(service: Running) -> dict[str, int]:
    """Bytes that each part keeps in memory: the least of a minute, as merges come and go by a hundred megabytes."""
    least: dict[str, int] = {}
    for _ in range(60):
        for part in ("worker", "gold", "broker", "web"):
            pid = (service.data_dir / "logs" / f"{part}.pid").read_text().split()[0]
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            size = pages * os.sysconf("SC_PAGESIZE")
            least[part] = min(size, least.get(part, size))
        time.sleep(1)
    return least


def disk(data_dir: Path) -> dict[str, int]:
    return {
        folder.name: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in data_dir.iterdir()
        if folder.is_dir()
    }
