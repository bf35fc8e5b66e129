"""`crash-stream schedule`: what it publishes, what it shows, and what it refuses."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from streams.publisher import declare_topics
from streams.records import Schedule, ScheduleChange
from streams.topics import SCHEDULE_CHANGES
from tests.embedded_broker import EmbeddedBroker, consumer
from tests.integration.webapp.serving import serve_gold

ADD = ["add", "weekly", "--cron", "30 4 * * SUN", "--mode", "audit", "--days", "30", "--missed", "once"]
WEEKLY = Schedule(schedule_id="weekly", cron="30 4 * * SUN", mode="audit", days=30, missed="once")


async def run(*arguments: str) -> Result:
    """Run a command, in a thread: it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["schedule", *arguments])


async def test_schedules_are_added_listed_changed_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with EmbeddedBroker(tmp_path / "broker") as broker:
        await declare_topics(broker.bootstrap)
        async with (
            serve_gold(tmp_path / "gold.duckdb") as served,
            consumer(broker.bootstrap, SCHEDULE_CHANGES.name) as reader,
        ):
            for name, value in (
                ("KAFKA_BOOTSTRAP", broker.bootstrap),
                ("GOLD_PORT", str(served.port)),
                ("DATA_DIR", str(tmp_path)),
            ):
                monkeypatch.setenv(f"CRASH_{name}", value)

            async def published() -> ScheduleChange:
                change = ScheduleChange.decode((await asyncio.wait_for(reader.getone(), 20)).value)
                await asyncio.to_thread(served.gold.reschedule, [change])
                return change

            added = await run(*ADD)
            assert added.exit_code == 0, added.output
            assert "At 04:30 on Sunday; next run " in added.output
            assert (await published()).schedule == WEEKLY
            listed = await run("list")
            for word in ("weekly", "audit, 30 days", "30 4 * * SUN", "none yet", "04:30 C"):
                assert word in listed.output

            again = await run(*ADD)
            assert (again.exit_code, "weekly already" in again.output) == (1, True)

            assert (await run("pause", "weekly")).exit_code == 0
            assert (await published()).change == "pause"
            assert "paused" in (await run("list")).output
            assert (await run("delete", "weekly")).exit_code == 0
            assert (await published()).change == "delete"
            assert "no schedules" in (await run("list")).output

            unknown = await run("resume", "weekly")
            assert (unknown.exit_code, "no schedule weekly" in unknown.output) == (1, True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--cron", "@daily", "--mode", "audit"], "cron: '@daily' is no cron expression"),
        (["--cron", "0 3 * * *", "--mode", "backfill"], "days: a backfill needs"),
        (["--cron", "0 3 * * *", "--mode", "backfill", "--days", "0"], "days: "),
    ],
)
async def test_a_wrong_schedule_is_refused_with_one_line_that_names_the_field(wrong: list[str], says: str) -> None:
    refused = await run("add", "mine", *wrong)
    assert refused.exit_code == 1
    assert says in refused.output
    assert len(refused.output.splitlines()) == 1
