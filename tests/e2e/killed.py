"""A simulated city that is backfilled while every part is killed, asked for again, and compared with its portal."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import duckdb

from streams.domain.schemas import TABLES
from tests.e2e.running import Running, crash_stream
from tests.recompute import differences, expected

_PAGE = 50_000


def every_part_killed_on_the_way(folder: Path, crashes: int, page_rows: int) -> None:
    """Pages are to be so small that each kill hits something on the way."""
    data_dir = folder / "data"
    arguments = ("--portal", "simulated", "--portal-crashes", str(crashes))
    with Running(data_dir, *arguments, since="all", page_rows=str(page_rows)) as service:
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

            # The whole span once more: every page is read, and nothing changes.
            done = crash_stream(
                *("backfill", "--start", "2013-01-01", "--end", "2030-01-01", "--request-id", "again", "--wait"),
                *("--data-dir", str(data_dir)),
                cwd=folder,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            (run,) = service.ask("select * from runs where run_id = 'again'")
            assert (run["status"], run["crashes_changed"]) == ("complete", 0)
            assert run["rows_fetched"] == run["rows_planned"] > 4 * crashes
            assert service.ask("select month, version from applied order by month") == applied
            assert service.ask("select * from dead_letters") == []
        assert service.stop() < 10

    with duckdb.connect(data_dir / "gold" / "gold.duckdb", read_only=True) as gold:
        assert differences(truth, gold) == []
        assert gold.sql("select count(*) from crashes").fetchone() == (crashes,)


def portal_rows(url: str) -> dict[str, list[dict]]:
    """Everything the portal holds, asked for without the service's own code."""
    return {dataset: list(_rows(f"{url}/resource/{table.portal_id}.json")) for dataset, table in TABLES.items()}


def _rows(resource: str) -> Iterator[dict]:
    offset = 0
    while True:
        parameters = {"$order": ":id", "$limit": _PAGE, "$offset": offset}
        with urlopen(f"{resource}?{urlencode(parameters)}") as answer:
            rows = json.load(answer)
        yield from rows
        offset += len(rows)
        if len(rows) < _PAGE:
            return
