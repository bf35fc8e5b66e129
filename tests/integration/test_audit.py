"""An audit finds what changes alone do not tell: deletions, and rows that got lost. It mends those, and only those."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from agents.audit import audit
from streams.errors import PortalUnavailable, RequestError
from streams.local.portal import create_app
from streams.local.portal.faults import Faults
from streams.records import DATASETS, UNDATED, Audited, AuditRequest, BronzeWritten, Planned
from streams.socrata.client import Portal
from streams.storage.findings import Findings
from streams.topics import BRONZE_WRITTEN, CRASH_PAGES, RUN_EVENTS, SILVER_READY
from tests.pipeline import PORTAL, Killed, Pipeline, Stage, city

CRASHES = 60
SINCE, TODAY = date(2024, 2, 1), date(2024, 3, 31)
PERSON = {"person_id": "P99", "crash_record_id": "x", "crash_date": "2024-03-02T10:00:00.000"}
KEYS = {"crashes": "crash_record_id", "vehicles": "crash_unit_id", "people": "person_id"}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("copied")

    async def copy(pipe: Pipeline) -> None:
        await pipe.fetch_all("first", start=SINCE, end=TODAY + timedelta(days=1))
        await pipe.merge_and_load()

    tables = city(11, SINCE, TODAY + timedelta(days=1), CRASHES, path=folder / PORTAL)
    return Stage.reach(folder, tables, copy)


@pytest.fixture
async def pipe(tmp_path: Path, copied: Stage) -> AsyncIterator[Pipeline]:
    """A copy that is complete."""
    async with copied.pipeline(tmp_path) as running:
        yield running


async def ask(pipe: Pipeline, run_id: str = "audit", portal: Portal | None = None, **request: Any) -> list[Audited]:
    """Audit, and leave what follows from it to be delivered; returns what differs."""
    await audit(
        AuditRequest(run_id=run_id, **request),
        portal or pipe.portal,
        pipe.bronze,
        pipe.silver,
        Findings(pipe.objects),
        pipe.emit,
        SINCE,
        lambda: TODAY,
    )
    audited = [event.event for event in pipe.sent[RUN_EVENTS.name] if isinstance(event.event, Audited)]
    return [event for event in audited if event.portal != event.ours or event.missing or event.gone or event.moved]


async def mend(pipe: Pipeline) -> None:
    await pipe.fetch_pages()
    await pipe.merge_and_load()
    await pipe.load([])  # the events of a run that mended nothing


def some_crash(pipe: Pipeline) -> str:
    """A crash of February with people in it."""
    sql = "select crash_record_id from crashes where month = 2 and ppl_count > 0 order by 1 limit 1"
    return str(pipe.gold.query(sql).table.to_pylist()[0]["crash_record_id"])


def family(pipe: Pipeline, crash: str) -> dict[str, list[str]]:
    """Keys of a crash, its vehicles and its people at the portal."""
    return {name: [row[KEYS[name]] for row in pipe.tables.rows(name, "crash_record_id", [crash])] for name in DATASETS}


def move(pipe: Pipeline, crash: str, when: str | None) -> None:
    for name, keys in family(pipe, crash).items():
        pipe.tables.upsert(name, [{KEYS[name]: key, "crash_date": when} for key in keys])


def run(pipe: Pipeline, run_id: str = "audit") -> dict[str, Any]:
    (row,) = pipe.gold.query("select * from runs where run_id = $id", parameters={"id": run_id}).table.to_pylist()
    return row


async def test_an_audit_of_an_exact_copy_finds_nothing(pipe: Pipeline) -> None:
    assert await ask(pipe) == []
    assert await ask(pipe, "thorough", thorough=True) == []
    assert pipe.take(CRASH_PAGES) == pipe.take(BRONZE_WRITTEN) == []
    await pipe.load([])
    assert run(pipe)["status"] == "complete"
    ((rows,),) = (row.values() for row in pipe.gold.query("select sum(ours) from audits").table.to_pylist())
    assert rows == 2 * run(pipe)["rows_planned"] == 2 * run(pipe, "first")["rows_fetched"]
    with pytest.raises(RequestError, match="the copy begins at 2024-02-01") as refused:
        await ask(pipe, start=date(2024, 6, 1))
    assert refused.value.field == "start"


async def test_a_deleted_crash_leaves_gold_with_its_vehicles_and_people(pipe: Pipeline) -> None:
    crash = some_crash(pipe)
    kin = family(pipe, crash)
    for name, keys in kin.items():
        pipe.tables.delete(name, keys)
    assert len(await pipe.wrong()) == 3

    found = await ask(pipe)
    assert {event.dataset: (event.month, event.gone, event.missing) for event in found} == {
        name: ("2024-02", len(keys), 0) for name, keys in kin.items()
    }
    await mend(pipe)
    assert await pipe.wrong() == []
    assert run(pipe)["status"] == "complete"
    assert await ask(pipe, "again") == []


async def test_a_missing_row_is_fetched(pipe: Pipeline) -> None:
    """The change was published and never heard of."""
    pipe.tables.upsert("people", [PERSON])
    (found,) = await ask(pipe)
    assert (found.dataset, found.month, found.missing, found.portal - found.ours) == ("people", "2024-03", 1, 1)
    (page,) = pipe.sent[CRASH_PAGES.name]
    assert (page.dataset, page.start, page.end) == ("people", date(2024, 3, 1), date(2024, 4, 1))
    await mend(pipe)
    assert await pipe.wrong() == []
    assert await ask(pipe, "again") == []


async def test_a_row_that_names_no_crash_is_nothing_to_find(pipe: Pipeline) -> None:
    pipe.tables.upsert("people", [{name: value for name, value in PERSON.items() if name != "crash_record_id"}])
    assert await ask(pipe, thorough=True) == []
    assert pipe.take(CRASH_PAGES) == []


async def test_a_crash_that_moved_to_another_month_is_there_alone(pipe: Pipeline) -> None:
    move(pipe, some_crash(pipe), "2024-03-03T03:03:00.000")
    found = await ask(pipe)
    assert {(event.month, event.missing > 0, event.moved > 0) for event in found} == {
        ("2024-02", False, True),
        ("2024-03", True, False),
    }
    await mend(pipe)
    assert await pipe.wrong() == []
    assert await ask(pipe, "again", thorough=True) == []


async def test_a_crash_that_moved_out_of_the_extent_leaves(pipe: Pipeline) -> None:
    crash = some_crash(pipe)
    move(pipe, crash, "2019-03-03T03:03:00.000")
    assert sum(event.moved for event in await ask(pipe)) == sum(map(len, family(pipe, crash).values()))
    assert pipe.take(CRASH_PAGES) == []
    await mend(pipe)
    for name in DATASETS:
        query = f"select * from {name} where crash_record_id = $crash"
        assert pipe.gold.query(query, parameters={"crash": crash}).table.num_rows == 0
    for name, keys in family(pipe, crash).items():
        pipe.tables.delete(name, keys)
    assert await pipe.wrong() == [], "nothing else left with it"


async def test_what_evens_out_in_a_month_is_found_by_a_thorough_audit(pipe: Pipeline) -> None:
    gone = family(pipe, some_crash(pipe))["people"][0]
    row = pipe.tables.rows("people", "person_id", [gone])[0]
    pipe.tables.delete("people", [gone])
    pipe.tables.upsert("people", [{**row, "person_id": "P99"}])
    assert await ask(pipe) == []
    (found,) = await ask(pipe, "thorough", thorough=True)
    assert (found.portal, found.missing, found.gone) == (found.ours, 1, 1)
    await mend(pipe)
    assert await pipe.wrong() == []


async def test_only_the_days_of_the_span_are_compared(pipe: Pipeline) -> None:
    crashes = pipe.gold.query("select crash_record_id, day from crashes where month = 3 order by crash_date").table
    first, *_, last = crashes.to_pylist()
    pipe.tables.delete("crashes", [first["crash_record_id"], last["crash_record_id"]])
    span = {"start": date(2024, 2, 10), "end": date(2024, 3, last["day"])}
    (found,) = await ask(pipe, datasets=("crashes", "people"), **span)
    assert (found.dataset, found.gone) == ("crashes", 1)
    (planned,) = [event.event for event in pipe.take(RUN_EVENTS) if isinstance(event.event, Planned)]
    assert (planned.start, planned.end) == tuple(span.values())


async def test_an_audit_that_died_says_and_does_the_same_when_its_message_comes_again(pipe: Pipeline) -> None:
    pipe.tables.delete("crashes", [some_crash(pipe)])
    pipe.tables.upsert("people", [PERSON])
    pipe.die_before = CRASH_PAGES
    with pytest.raises(Killed):
        await ask(pipe)
    await pipe.merge_and_load()
    found = await ask(pipe)
    assert {(event.dataset, event.missing, event.gone) for event in found} == {("crashes", 0, 1), ("people", 1, 0)}
    await mend(pipe)
    applied, once = pipe.gold.applied(), run(pipe)
    assert once["status"] == "complete"
    assert await ask(pipe) == found, "also now that there is nothing left to be found"
    await mend(pipe)
    assert (pipe.gold.applied(), run(pipe)) == (applied, once)
    assert await pipe.wrong() == []


async def test_a_row_that_arrives_after_its_month_was_read_is_left_alone(pipe: Pipeline) -> None:
    """Between our look and the portal's answer: it is missing at most, and is fetched twice."""
    month = pipe.silver.month

    async def read_then_arrive(head: Any) -> Any:
        rows = await month(head)
        late = {"person_id": f"P{head.month}", "crash_record_id": "x", "crash_date": f"{head.month}-10T10:00:00.000"}
        pipe.tables.upsert("people", [late])
        return rows

    pipe.silver.month = read_then_arrive  # type: ignore[method-assign]
    found = await ask(pipe, thorough=True)
    pipe.silver.month = month  # type: ignore[method-assign]
    assert {(event.dataset, event.missing, event.gone, event.moved) for event in found} == {("people", 1, 0, 0)}
    assert pipe.take(BRONZE_WRITTEN) == []
    await mend(pipe)
    assert await pipe.wrong() == []


async def test_an_answer_that_is_out_of_date_buries_nobody(pipe: Pipeline) -> None:
    """The replica does not know yet of a row that we have."""
    faults = Faults(1, 1.0, ["stale"])
    async with (
        TestServer(create_app(pipe.tables, faults=faults)) as server,
        Portal.connect(str(server.make_url("")).rstrip("/"), None) as lagging,
    ):
        pipe.tables.upsert("people", [PERSON])
        await pipe.fetch_all("second", start=SINCE, end=TODAY)
        await pipe.merge_and_load()
        with pytest.raises(PortalUnavailable):
            await ask(pipe, portal=lagging)
        assert pipe.take(BRONZE_WRITTEN) == pipe.take(RUN_EVENTS) == []
        faults.stop()
        assert await ask(pipe, portal=lagging) == []


async def test_rows_without_a_date_are_looked_up_by_key(pipe: Pipeline) -> None:
    keys = ["P97", "P98", "P99"]
    pipe.tables.upsert("people", [PERSON | {"person_id": key, "crash_date": None} for key in keys])
    key = await pipe.bronze.keep("poll", "people", pipe.tables.rows("people", "person_id", keys))
    await pipe.merge(
        BronzeWritten(run_id="poll", page_id="people/stream/0", dataset="people", bronze_key=key, month=UNDATED)
    )
    await pipe.load(pipe.take(SILVER_READY))
    assert await ask(pipe) == []

    pipe.tables.delete("people", ["P98"])
    pipe.tables.upsert("people", [{"person_id": "P99", "crash_date": "2024-03-03T03:03:00.000"}])
    found = {event.month: (event.missing, event.gone, event.moved) for event in await ask(pipe, "later")}
    assert found == {UNDATED: (0, 1, 1), "2024-03": (1, 0, 0)}
    await mend(pipe)
    assert run(pipe, "later")["status"] == "complete"
    assert await pipe.wrong() == []


async def test_deletions_by_the_dozen_are_believed_only_when_told_to(pipe: Pipeline) -> None:
    """A portal in the middle of a reload holds little, and nothing of it is to be deleted here."""
    for dataset in DATASETS:
        keys = pipe.tables.cursor().execute(f"select {KEYS[dataset]} from {dataset}").fetchall()
        pipe.tables.delete(dataset, [key for (key,) in keys])
    with pytest.raises(RequestError, match="none was deleted") as refused:
        await ask(pipe)
    assert refused.value.field == "accept_deletions"
    assert pipe.take(BRONZE_WRITTEN) == []
    await ask(pipe, "told", accept_deletions=True)
    await mend(pipe)
    assert pipe.gold.status().rows["people"] == 0
    assert await pipe.wrong() == []
