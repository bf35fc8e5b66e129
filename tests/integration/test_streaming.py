"""Streaming follows each table by its watermark: nothing that is published is missed, whatever was changed."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from agents.poll import poll
from streams.domain.merge import flatten, live
from streams.domain.schemas import TABLES
from streams.records import DATASETS, Fetched, PollRequest, Record, RunEvent
from streams.tables import Watermark
from streams.topics import BRONZE_WRITTEN, POLL_REQUESTS, RUN_EVENTS, SILVER_READY, Topic
from tests.pipeline import PORTAL, Killed, Pipeline, Stage, city

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CRASHES = 60


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("copied")
    published = NOW - timedelta(hours=1)

    async def copy(pipe: Pipeline) -> None:
        pipe.page_rows = 100
        await pipe.poll("first")
        await pipe.merge_and_load()
        assert await pipe.wrong() == []

    tables = city(11, date(2024, 1, 20), date(2024, 2, 10), CRASHES, published, folder / PORTAL)
    return Stage.reach(folder, tables, copy)


@pytest.fixture
async def pipe(tmp_path: Path, copied: Stage) -> AsyncIterator[Pipeline]:
    """A copy of everything, with watermarks; the portal was published an hour ago."""
    async with copied.pipeline(tmp_path) as running:
        yield running


def rows(pipe: Pipeline, dataset: str, number: int = 1) -> list[dict]:
    """Some rows of the portal's as they are published, without its bookkeeping."""
    key = TABLES[dataset].key
    keys = [key for (key,) in pipe.tables.cursor().execute(f"select {key} from {dataset} order by {key}").fetchall()]
    return [
        {name: value for name, value in row.items() if not name.startswith(":")}
        for row in pipe.tables.rows(dataset, key, keys[:number])
    ]


def belonging(pipe: Pipeline, crash_id: str) -> dict[str, list[dict]]:
    return {
        dataset: [
            {name: value for name, value in row.items() if not name.startswith(":")}
            for row in pipe.tables.rows(dataset, "crash_record_id", [crash_id])
        ]
        for dataset in DATASETS
    }


async def stream(pipe: Pipeline) -> None:
    await pipe.poll()
    await pipe.merge_and_load()


async def test_what_is_new_and_amended_and_late_arrives(pipe: Pipeline) -> None:
    (crash,) = rows(pipe, "crashes")
    (vehicle,) = rows(pipe, "vehicles")
    (person,) = rows(pipe, "people")
    pipe.tables.upsert("crashes", [crash | {"weather_condition": "SNOW"}], NOW)
    pipe.tables.upsert("people", [person | {"person_id": "O77", "age": "30"}], NOW)
    pipe.tables.upsert("vehicles", [vehicle | {"crash_unit_id": "77", "crash_record_id": "a" * 128}], NOW)
    await stream(pipe)
    assert await pipe.wrong() == []
    # The crash of that vehicle comes after it.
    pipe.tables.upsert("crashes", [crash | {"crash_record_id": "a" * 128}], NOW + timedelta(hours=1))
    await stream(pipe)
    assert await pipe.wrong() == []
    assert pipe.gold.query(
        "select veh_count from crashes where crash_record_id like 'aaaaaaaa%'"
    ).table.to_pylist() == [{"veh_count": 1}]


@pytest.mark.parametrize("together", [True, False])
async def test_a_crash_whose_date_moves_takes_along_what_belongs_to_it(pipe: Pipeline, together: bool) -> None:
    (crash,) = rows(pipe, "crashes")
    before, moved = crash["crash_date"][:7], "2023-11-05T10:00:00.000"
    mine = belonging(pipe, crash["crash_record_id"])
    for number, dataset in enumerate(DATASETS):
        pipe.tables.upsert(
            dataset, [row | {"crash_date": moved} for row in mine[dataset]], NOW + timedelta(minutes=20 * number)
        )
        if not together:
            await stream(pipe)
            assert await pipe.wrong() == []
    await stream(pipe)
    assert await pipe.wrong() == []
    for dataset, table in TABLES.items():
        silver = {
            month: live(flatten(await pipe.silver.month(await pipe.silver.head(month)), table))[table.key].to_list()
            for month in (before, moved[:7])
        }
        keys = {row[table.key] for row in mine[dataset]}
        assert keys <= set(silver[moved[:7]])
        assert not keys & set(silver[before]), "the old month was told"
    # And back again, which the tombstones in the old month do not hinder.
    for dataset in DATASETS:
        pipe.tables.upsert(dataset, mine[dataset], NOW + timedelta(hours=9))
    await stream(pipe)
    assert await pipe.wrong() == []


async def test_a_page_from_before_a_move_that_comes_late_changes_nothing(pipe: Pipeline) -> None:
    (crash,) = rows(pipe, "crashes")
    pipe.tables.upsert("crashes", [crash | {"weather_condition": "RAIN"}], NOW)
    await pipe.poll("early")
    late = pipe.take(BRONZE_WRITTEN)
    pipe.tables.upsert("crashes", [crash | {"crash_date": "2023-11-05T10:00:00.000"}], NOW + timedelta(minutes=1))
    await stream(pipe)
    assert await pipe.wrong() == []
    for written in late:
        await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    assert await pipe.wrong() == []
    await pipe.merge_and_load()
    assert await pipe.wrong() == []


async def test_a_full_republish_is_read_and_changes_nothing_downstream(pipe: Pipeline) -> None:
    applied = pipe.gold.applied()
    for dataset in DATASETS:
        pipe.tables.republish(dataset, NOW)
    await pipe.poll()
    written = pipe.take(BRONZE_WRITTEN)
    assert len(written) > len(DATASETS)
    for one in written:
        await pipe.merge(one)
    assert pipe.take(SILVER_READY) == []
    assert pipe.gold.applied() == applied


async def test_what_was_published_at_one_instant_is_read_page_by_page_without_a_gap(pipe: Pipeline) -> None:
    """Defect 4: rows of one `:updated_at` are not dropped where a page ends among them."""
    pipe.page_rows = 7
    crashes = rows(pipe, "crashes", 40)
    pipe.tables.upsert("crashes", [crash | {"damage": "OVER $1,500"} for crash in crashes], NOW)
    await stream(pipe)
    assert await pipe.wrong() == []


async def test_an_idle_poll_is_no_run_and_asks_with_the_tag_of_its_last_answer(pipe: Pipeline) -> None:
    await stream(pipe)
    objects = [info.key async for info in pipe.objects.list("bronze")]
    before = pipe.gold.query("select run_id from runs order by 1").table
    await stream(pipe)
    assert [info.key async for info in pipe.objects.list("bronze")] == objects
    assert pipe.gold.query("select run_id from runs order by 1").table.equals(before)
    assert pipe.gold.query("select count(*) n from watermarks").table.to_pylist() == [{"n": 3}]


async def test_a_poll_that_goes_on_is_not_started_a_second_time(pipe: Pipeline) -> None:
    pipe.page_rows = 10
    pipe.tables.republish("crashes", NOW)
    await pipe.poll_one(PollRequest(run_id="one", dataset="crashes"))
    (next_page,) = pipe.take(POLL_REQUESTS)
    assert (next_page.run_id, next_page.number) == ("one", 1)
    await pipe.poll_one(PollRequest(run_id="two", dataset="crashes"))
    assert pipe.take(POLL_REQUESTS) == []
    assert "two" not in {event.run_id for event in pipe.take(RUN_EVENTS)}


async def test_of_polls_that_piled_up_one_is_enough(pipe: Pipeline) -> None:
    waiting = [PollRequest(run_id=f"tick-{number}", dataset="crashes") for number in range(5)]
    for request in waiting:
        await pipe.poll_one(request)
    assert [event.run_id for event in pipe.take(RUN_EVENTS)] == ["tick-0"]


async def test_a_poll_that_died_and_has_nothing_left_to_do_is_no_run_that_never_ends(pipe: Pipeline) -> None:
    """An earlier poll, which is delivered again before it, reads its page instead."""
    earlier, died = (PollRequest(run_id=name, dataset="crashes") for name in ("earlier", "died"))
    pipe.tables.republish("crashes", NOW)

    async def dying(topic: Topic, record: Record) -> None:
        if isinstance(record, RunEvent) and isinstance(record.event, Fetched):
            raise Killed
        await pipe.emit(topic, record)

    with pytest.raises(Killed):
        await poll(died, pipe.marks, pipe.portal, pipe.bronze, dying, pipe.extent, pipe.page_rows)
    for request in (earlier, died):
        await pipe.poll_one(request)
    await pipe.merge_and_load()
    runs = pipe.gold.query("select run_id, status from runs where kind = 'stream' and run_id in ('earlier', 'died')")
    assert runs.table.to_pylist() == [{"run_id": "earlier", "status": "complete"}]


async def test_a_look_back_reads_again_and_moves_no_watermark(pipe: Pipeline) -> None:
    marks = dict(pipe.marks)
    await pipe.poll("again", since=datetime(2024, 1, 1, tzinfo=UTC))
    await pipe.merge_and_load()
    assert pipe.marks == marks
    (run,) = pipe.gold.query("from runs where run_id = 'again-crashes'").table.to_pylist()
    assert (run["kind"], run["status"], run["rows_fetched"]) == ("look-back", "complete", CRASHES)


async def test_a_watermark_never_goes_back_and_waits_for_what_may_appear_late(pipe: Pipeline) -> None:
    mark = Watermark.from_table(pipe.marks["crashes"])
    assert mark.settled is not None
    older = mark.after(mark.settled.model_copy(update={"updated_at": "2001-01-01T00:00:00.000Z"}), NOW)
    assert older == mark
    fresh = mark.after(mark.settled.model_copy(update={"updated_at": "2026-06-02T00:00:00.000Z"}), NOW)
    assert fresh.settled is not None
    assert fresh.settled.updated_at == "2026-06-01T11:55:00.000Z"
