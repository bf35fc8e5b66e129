"""Gold is a function of the portal's rows: whatever the order, the repetitions and the deaths on the way."""

import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agents.load import catch_up
from streams.records import BronzeWritten, SilverReady
from streams.tables import MonthState
from streams.topics import BRONZE_WRITTEN, RUN_EVENTS, SILVER_READY
from tests.pipeline import PORTAL, Killed, Pipeline, Stage, city

CRASHES = 900


def staged(folder: Path, play: Callable[[Pipeline], Awaitable[None]]) -> Stage:
    tables = city(11, date(2024, 1, 20), date(2024, 4, 10), CRASHES, path=folder / PORTAL)
    return Stage.reach(folder, tables, play)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    async def nothing(_: Pipeline) -> None: ...

    return staged(tmp_path_factory.mktemp("published"), nothing)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    async def fetch(pipe: Pipeline) -> None:
        await pipe.fetch_all("first")

    return staged(tmp_path_factory.mktemp("fetched"), fetch)


@pytest.fixture
async def empty(tmp_path: Path, published: Stage) -> AsyncIterator[Pipeline]:
    """Nothing is fetched yet."""
    async with published.pipeline(tmp_path) as running:
        yield running


@pytest.fixture
async def pipe(tmp_path: Path, fetched: Stage) -> AsyncIterator[Pipeline]:
    """Everything is fetched by the run `first`, and nothing merged."""
    async with fetched.pipeline(tmp_path) as running:
        yield running


def count(pipe: Pipeline, sql: str) -> object:
    return pipe.gold.query(sql).table.to_pylist()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_pages_in_any_order_and_any_number_of_times(pipe: Pipeline, seed: int) -> None:
    """Defects 1 and 3: no page overwrites another's rows, and none is skipped."""
    rng = random.Random(seed)
    pages = pipe.take(BRONZE_WRITTEN)
    deliveries = pages + rng.choices(pages, k=len(pages) // 2)
    rng.shuffle(deliveries)
    ready: list[SilverReady] = []
    for written in deliveries:
        await pipe.merge(written)
        ready += pipe.take(SILVER_READY)
        if rng.random() < 0.3:
            await pipe.load([*ready, *ready[:1]])
            ready = []
    await pipe.load(ready)
    assert await pipe.wrong() == []
    assert count(pipe, "select status, failures from runs") == [{"status": "complete", "failures": 0}]


async def test_a_second_backfill_reads_every_page_and_changes_nothing(empty: Pipeline) -> None:
    """Defect 4: a repeated backfill is not skipped. And it leaves no second copy of a page it has."""
    await empty.fetch_all("first")
    await empty.merge_and_load()
    objects = [info.key async for info in empty.objects.list("bronze")]
    applied = empty.gold.applied()
    await empty.fetch_all("second")
    await empty.merge_and_load()
    assert [info.key async for info in empty.objects.list("bronze")] == objects
    assert empty.gold.applied() == applied
    (run,) = count(empty, "select * from runs where run_id = 'second'")
    assert (run["status"], run["crashes_changed"], run["rows_fetched"] > 4 * CRASHES) == ("complete", 0, True)


async def test_a_full_republish_changes_nothing_downstream(pipe: Pipeline) -> None:
    await pipe.merge_and_load()
    applied = pipe.gold.applied()
    for dataset in ("crashes", "vehicles", "people"):
        pipe.tables.republish(dataset)
    await pipe.fetch_all("second")
    for written in pipe.take(BRONZE_WRITTEN):
        await pipe.merge(written)
    assert pipe.take(SILVER_READY) == []
    assert pipe.gold.applied() == applied
    assert await pipe.wrong() == []


async def test_amendments_and_late_children_arrive(empty: Pipeline) -> None:
    await empty.fetch_all("first")
    await empty.merge_and_load()
    ids = [row["crash_record_id"] for row in count(empty, "select crash_record_id from crashes limit 2")]
    empty.tables.upsert("crashes", [{"crash_record_id": ids[0], "weather_condition": "BLIZZARD", "lane_cnt": None}])
    late = {"person_id": "P999999999", "crash_record_id": ids[1], "crash_date": "2024-02-02T10:00:00.000", "age": "30"}
    empty.tables.upsert("people", [late])
    await empty.fetch_all("second")
    await empty.merge_and_load()
    assert await empty.wrong() == []
    assert count(empty, "select count(*) as n from crashes where weather_condition = 'BLIZZARD'") == [{"n": 1}]


@pytest.mark.parametrize("datasets", [("crashes",), ("people",), ("vehicles", "people"), ("people", "crashes")])
async def test_a_run_of_some_tables_alone_is_loaded(empty: Pipeline, datasets: tuple[str, ...]) -> None:
    """Defect 9: a crashes-only run fails at Gold and is dropped."""
    await empty.fetch_all("some", datasets=datasets)
    await empty.merge_and_load()
    for name in ("crashes", "vehicles", "people"):
        ((rows,),) = (row.values() for row in count(empty, f"select count(*) from {name}"))
        assert (rows > 0) == (name in datasets)
    await empty.fetch_all("all")
    await empty.merge_and_load()
    assert await empty.wrong() == []


@pytest.mark.parametrize("topic", [SILVER_READY, RUN_EVENTS])
async def test_a_worker_that_dies_between_store_and_topic_loses_nothing(pipe: Pipeline, topic: object) -> None:
    """The version is written, nobody is told, and the table does not know of it: the same message comes again."""
    for number, written in enumerate(pipe.take(BRONZE_WRITTEN)):
        if number % 3 == 0:
            pipe.die_before = topic
            with pytest.raises(Killed):
                await pipe.merge(written)
        await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    assert await pipe.wrong() == []


async def test_a_worker_with_an_old_table_goes_on_from_the_newest_version(pipe: Pipeline) -> None:
    """After a rebalance two workers may own a month for a moment, and a table may have lost its newest entries."""
    deliveries = pipe.take(BRONZE_WRITTEN)
    old: dict[str, object] = {}
    for number, written in enumerate(deliveries):
        if number % 4 == 3:
            current, pipe.states = pipe.states, dict(old)
            await pipe.merge(written)
            old, pipe.states = dict(current), pipe.states | current
        else:
            await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    assert await pipe.wrong() == []
    for month in pipe.gold.applied():
        head = await pipe.silver.head(month)
        versions = [info.key async for info in pipe.objects.list("silver", f"month={month}/versions/")]
        assert len(versions) == head.version, "the chain has no gap and no fork"


async def test_a_gold_that_missed_a_delta_loads_the_whole_month(pipe: Pipeline) -> None:
    for written in pipe.take(BRONZE_WRITTEN):
        await pipe.merge(written)
    newest = {ready.month: ready for ready in pipe.take(SILVER_READY)}
    assert any(ready.base > 0 for ready in newest.values())
    await pipe.load(list(newest.values()))
    assert await pipe.wrong() == []


async def test_an_empty_gold_is_rebuilt_from_silver(pipe: Pipeline) -> None:
    for written in pipe.take(BRONZE_WRITTEN):
        await pipe.merge(written)
    assert await catch_up(pipe.silver, pipe.gold, pipe.bronze, pipe.emit) == len(pipe.states)
    assert await pipe.wrong() == []
    await pipe.load(pipe.take(SILVER_READY))
    assert await catch_up(pipe.silver, pipe.gold, pipe.bronze, pipe.emit) == 0
    assert await pipe.wrong() == []


async def test_the_merge_state_tells_what_the_month_holds(empty: Pipeline) -> None:
    await empty.fetch_all("people", datasets=("people",))
    await empty.merge_and_load()
    state = MonthState.from_table("2024-02", empty.states["2024-02"])
    assert state.rows["crashes"] == 0
    assert state.orphans > 0
    assert state.high_water["people"].endswith("Z")
    await empty.fetch_all("crashes", datasets=("crashes",))
    await empty.merge_and_load()
    state = MonthState.from_table("2024-02", empty.states["2024-02"])
    held = await empty.silver.month(state.head)
    assert state.orphans == held["crash"].null_count() == 0
    assert state.rows["crashes"] == held.height


async def test_bronze_keeps_the_answer_byte_for_byte_with_its_request(empty: Pipeline) -> None:
    await empty.fetch_all("first", datasets=("crashes",))
    rows = 0
    async for listed in empty.objects.list("bronze", "crashes/"):
        raw, info = await empty.objects.get("bronze", listed.key)
        request = info.metadata["request"]
        async with empty.portal._session.get(request, headers={"Accept-Encoding": "gzip"}) as answer:
            again = await answer.read()
        assert info.content_encoding == "gzip"
        assert raw == again
        assert "$order=:updated_at,:id" in request.replace("%24", "$").replace("%2C", ","), "defect 6"
        assert int(info.metadata["rows"]) <= empty.page_rows
        assert info.metadata["sha256"] == hashlib.sha256(raw).hexdigest()
        rows += int(info.metadata["rows"])
    assert rows == CRASHES


async def test_a_month_loaded_whole_leaves_nothing_of_what_it_has_lost(pipe: Pipeline) -> None:
    """Where Gold has missed the delta that said so, the whole month says it."""
    await pipe.merge_and_load()
    unit = pipe.tables.cursor().execute("select min(crash_unit_id) from vehicles").fetchall()[0][0]
    (row,) = pipe.tables.rows("vehicles", "crash_unit_id", [unit])
    row = {name: value for name, value in row.items() if not name.startswith(":")} | {"crash_unit_id": "77"}
    pipe.tables.upsert("vehicles", [row | {"crash_record_id": "b" * 128}], datetime(2026, 1, 1, tzinfo=UTC))
    await pipe.poll("new")
    await pipe.merge_and_load()
    pipe.tables.upsert("vehicles", [row | {"crash_record_id": "c" * 128}], datetime(2026, 1, 2, tzinfo=UTC))
    await pipe.poll("moved")
    for written in pipe.take(BRONZE_WRITTEN):
        await pipe.merge(written)
    assert pipe.take(SILVER_READY), "which is lost"
    pipe.tables.delete("vehicles", ["77"])
    gone = {name: row[name] for name in ("crash_unit_id", "crash_date")} | {"crash_record_id": "c" * 128, ":gone": True}
    key = await pipe.bronze.keep(
        "audits", "vehicles", [gone | {":updated_at": "2030-01-01T00:00:00.000Z", ":id": "row-77"}]
    )
    month = row["crash_date"][:7]
    await pipe.merge(
        BronzeWritten(run_id="audit", page_id="audits/vehicles", dataset="vehicles", bronze_key=key, month=month)
    )
    await pipe.load(pipe.take(SILVER_READY))
    assert await pipe.wrong() == []
