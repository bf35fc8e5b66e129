"""Sixty thousand simulated crashes: every part killed on the way, all asked for again, none altered."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import duckdb
import pytest

from streams.domain.schemas import TABLES
from tests.e2e.running import Running, crash_stream
from tests.recompute import differences, expected

CRASHES = 60_000
PAGE = 50_000


def portal_rows(url: str) -> dict[str, list[dict]]:
    """Everything the portal holds, asked for without the service's own code."""
    return {dataset: list(_rows(f"{url}/resource/{table.portal_id}.json")) for dataset, table in TABLES.items()}


def _rows(resource: str) -> Iterator[dict]:
    offset = 0
    while True:
        parameters = {"$order": ":id", "$limit": PAGE, "$offset": offset}
        with urlopen(f"{resource}?{urlencode(parameters)}") as answer:
            rows = json.load(answer)
        yield from rows
        offset += len(rows)
        if len(rows) < PAGE:
            return


@pytest.mark.timeout(540)
def test_sixty_thousand_crashes_with_every_part_killed_on_the_way(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    arguments = ("--portal", "simulated", "--portal-crashes", str(CRASHES))
    # Small pages, so that each kill hits something on the way.
    with Running(data_dir, *arguments, since="all", page_rows="10000") as service:
        # Models of all this, and scores by them, would cost as much again; what they are to do is asked elsewhere.
        with service.second_worker() as second, service.halted("trainer"):
            for part, loaded in (("worker", 0.0), ("gold", 0.1), ("broker", 0.25), ("s3", 0.4), ("worker", 0.6)):
                service.wait_until(
                    f"select count(*) > 0 from runs where pages_fetched > 2 and merges_loaded >= {loaded} * windows"
                )
                service.kill(part)
            second.kill()  # and is not started again: the first finishes what they shared
            service.wait_until("select count(*) > 0 from runs where kind = 'first-start' and status <> 'running'")
            assert service.ask("select status, failures, error from runs where kind = 'first-start'") == [
                {"status": "complete", "failures": 0, "error": None}
            ]
            assert " merged " in second.output.replace('"', " "), "the second worker had its share"
            truth = expected(portal_rows(service.services.portal_url))
            applied = service.ask("select month, version from applied order by month")

            # The whole span twice more: every page is read, and nothing changes.
            for name in ("again", "and-again"):
                done = crash_stream(
                    *("backfill", "--start", "2013-01-01", "--end", "2030-01-01", "--request-id", name, "--wait"),
                    *("--data-dir", str(data_dir)),
                    cwd=tmp_path,
                )
                assert done.returncode == 0, done.stdout + done.stderr
                (run,) = service.ask("select * from runs where run_id = $name", name=name)
                assert (run["status"], run["crashes_changed"]) == ("complete", 0)
                assert run["rows_fetched"] == run["rows_planned"] > 4 * CRASHES
            assert service.ask("select month, version from applied order by month") == applied
            assert service.ask("select * from dead_letters") == []
        assert service.stop() < 10

    with duckdb.connect(data_dir / "gold" / "gold.duckdb", read_only=True) as gold:
        assert differences(truth, gold) == []
        assert gold.sql("select count(*) from crashes").fetchone() == (CRASHES,)
