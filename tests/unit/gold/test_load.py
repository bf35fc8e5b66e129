"""Loading: whatever comes, in whatever order and however often, Gold ends the same."""

import itertools
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from streams.errors import GoldError
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from tests.gold_rows import change, crash, person, silver, vehicle

TABLES = ("crashes", "vehicles", "people")


def content(gold: Gold) -> dict[str, list[dict[str, Any]]]:
    return {name: gold.query(f"from {name} order by all").table.to_pylist() for name in TABLES}


def rows(gold: Gold, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in gold.query(sql).table.to_pylist()]


def test_a_month_is_loaded_with_its_engineered_columns(gold: Gold) -> None:
    loaded = gold.load(
        [change("2024-01", 3, [crash("a", lane_cnt="99")], [vehicle(1, "a")], [person("P1", "a", age="30")])]
    )
    assert (loaded.rows.crashes, loaded.rows.vehicles, loaded.rows.people) == (1, 1, 1)
    assert (loaded.months, loaded.skipped) == ({"2024-01": 3}, 0)
    assert gold.applied() == {"2024-01": 3}
    found = rows(gold, "select hour_bin, veh_count, ppl_age_mean, lane_cnt, quality_flags from crashes")
    assert found == [("morning", 1, 30.0, None, ["lane_cnt:impossible"])]


def test_what_gold_holds_already_is_skipped_and_commits_nothing(gold: Gold) -> None:
    gold.load([change("2024-01", 2, [crash("a", damage="NEW")])])
    version = gold.status().version
    again = gold.load([change("2024-01", 2, [crash("a", damage="SAME")]), change("2024-01", 1, [crash("a")])])
    assert (again.skipped, again.months) == (2, {})
    assert rows(gold, "select damage from crashes") == [("NEW",)]
    assert gold.status().version == version


def test_of_one_month_the_later_change_of_a_batch_counts(gold: Gold) -> None:
    changes = [
        change("2024-01", 1, [crash("a", damage="1"), crash("b", damage="1")]),
        change("2024-01", 2, [crash("a", damage="2")], [vehicle(1, "a")]),
        change("2024-01", 3, [crash("a", damage="3")]),
    ]
    gold.load([changes[2], changes[0], changes[1]])
    assert rows(gold, "select damage from crashes order by crash_record_id") == [("3",), ("1",)]
    assert rows(gold, "from vehicles") == []
    assert gold.applied() == {"2024-01": 3}


def test_a_crash_may_come_later_than_its_vehicles_and_people(gold: Gold) -> None:
    children = [vehicle(1, "a", vehicle_type="TRUCK")], [person("P1", "a", age="20"), person("P2", "a", age="40")]
    gold.load([change("2024-01", 1, [], *children)])
    assert [len(table) for table in content(gold).values()] == [0, 1, 2]
    gold.load([change("2024-01", 2, [crash("a")], *children)])
    found = rows(gold, "select veh_count, ppl_count, veh_truck_i, ppl_age_mean from crashes")
    assert found == [(1, 2, True, 30.0)]


def test_children_that_a_crash_no_longer_has_are_gone(gold: Gold) -> None:
    gold.load([change("2024-01", 1, [crash("a")], [vehicle(1, "a"), vehicle(2, "a")], [person("P1", "a")])])
    loaded = gold.load([change("2024-01", 2, [crash("a")], [vehicle(2, "a")])])
    assert loaded.rows.gone == 2
    assert rows(gold, "select crash_unit_id from vehicles") == [(2,)]
    assert rows(gold, "select veh_count, ppl_count from crashes") == [(1, 0)]


def test_a_crash_of_which_nothing_is_left_is_gone(gold: Gold) -> None:
    gold.load([change("2024-01", 1, [crash("a"), crash("b")], [vehicle(1, "a")])])
    gold.load([change("2024-01", 2, bare=["a"])])
    assert rows(gold, "select crash_record_id from crashes") == [("b",)]
    assert rows(gold, "from vehicles") == []


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_a_child_may_move_to_another_crash(gold: Gold, together: bool, order: tuple[int, ...]) -> None:
    gold.load([change("2024-01", 1, [crash("a"), crash("b")], [vehicle(1, "a"), vehicle(2, "b")], [person("P1", "a")])])
    moves = [
        change("2024-01", 2, [crash("a")]),
        change("2024-01", 3, [crash("b")], [vehicle(1, "b"), vehicle(2, "b")], [person("P1", "b")]),
    ]
    # Two crashes of one month come with rising versions; which of them is first may differ.
    ordered = [Change("2024-01", 2 + place, moves[index].silver) for place, index in enumerate(order)]
    for batch in [ordered] if together else [[one] for one in ordered]:
        gold.load(batch)
    assert rows(gold, "select crash_record_id, crash_unit_id from vehicles order by 2") == [("b", 1), ("b", 2)]
    found = rows(gold, "select crash_record_id, veh_count, ppl_count from crashes order by 1")
    assert found == [("a", 0, 0), ("b", 2, 1)]


def test_a_crash_that_loses_a_child_to_one_of_another_change_is_counted_anew(gold: Gold) -> None:
    gold.load([change("2024-01", 1, [crash("a")], [vehicle(1, "a")], [person("P1", "a", age="9")])])
    gold.load([change("2024-02", 1, [crash("b")], [vehicle(1, "b")], [person("P1", "b", age="9")])])
    found = rows(gold, "select crash_record_id, veh_count, ppl_count, ppl_age_max from crashes order by 1")
    assert found == [("a", 0, 0, None), ("b", 1, 1, 9)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_a_crash_and_its_children_may_be_of_different_months(
    gold: Gold, order: tuple[int, ...], together: bool
) -> None:
    """A person's `crash_date` may differ from the crash's, or be missing: its month in Silver is then another."""
    february = {"crash_date": "2024-02-01T00:10:00.000"}
    changes = [
        change("2024-01", 1, [crash("a")], [vehicle(1, "a")], [person("P1", "a", age="10")]),
        change("2024-02", 1, [], [vehicle(2, "a", **february)], [person("P2", "a", age="20", **february)]),
        change("0000-00", 1, [], [], [person("P3", "a", age="60", crash_date=None)]),
    ]
    ordered = [changes[index] for index in order]
    for batch in [ordered] if together else [[one] for one in ordered]:
        gold.load(batch)
    found = rows(gold, "select veh_count, ppl_count, ppl_age_mean from crashes")
    assert found == [(2, 3, 30.0)]

    # A change of one month says nothing of the others' rows.
    gold.load([change("2024-02", 2, bare=["a"])])
    assert rows(gold, "select veh_count, ppl_count, ppl_age_mean from crashes") == [(1, 2, 35.0)]


def test_any_order_and_repetition_of_batches_ends_the_same(tmp_path: Path) -> None:
    february = {"crash_date": "2024-02-02T01:00:00.000"}
    one = [
        change("2024-01", 1, [crash("a"), crash("b")], [vehicle(1, "a")], [person("P1", "b", age="7")]),
        change("2024-01", 2, [crash("b", damage="2")], [vehicle(3, "b")], [person("P1", "b", age="8")]),
    ]
    two = [
        change("2024-02", 1, [crash("c", **february)], [vehicle(4, "c", **february)]),
        change("2024-02", 2, [crash("c", damage="2", **february)], [], [person("P9", "c", **february)]),
    ]
    deliveries = [
        [[*one, *two]],
        [[one[0]], [two[0]], [one[1]], [two[1]]],
        [[two[0]], [two[1]], [one[0]], [one[1]]],
        [[one[0]], [one[0]], [one[1], one[0]], [two[1], two[0]], [one[1]]],
    ]
    found = []
    for place, batches in enumerate(deliveries):
        gold = Gold.open(tmp_path / f"{place}.duckdb", memory="300MB")
        for batch in batches:
            gold.load(batch)
        found.append(content(gold))
        gold.close()
    assert all(each == found[0] for each in found)
    assert [len(table) for table in found[0].values()] == [3, 2, 2]


def test_a_batch_is_loaded_as_a_whole_or_not_at_all(gold: Gold, monkeypatch: pytest.MonkeyPatch) -> None:
    gold.load([change("2024-01", 1, [crash("a", damage="OLD")], [vehicle(1, "a")])])
    before, version = content(gold), gold.status().version
    batch = [
        change("2024-01", 2, [crash("a", damage="NEW")], [vehicle(2, "a")], [person("P1", "a")]),
        change("2024-02", 1, [crash("b", crash_date="2024-02-02T00:00:00.000")]),
    ]
    # Fails after all rows are written, before the months are.
    monkeypatch.setattr("streams.storage.gold.lineage.runs_awaiting", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gold.load(batch)
    assert (content(gold), gold.applied(), gold.status().version) == (before, {"2024-01": 1}, version)
    monkeypatch.undo()
    gold.load(batch)
    assert gold.applied() == {"2024-01": 2, "2024-02": 1}
    assert rows(gold, "select damage from crashes order by 1") == [("NEW",), (None,)]


def test_ids_that_only_differ_as_text_are_one_row_and_unreadable_ones_are_counted(gold: Gold) -> None:
    units = [vehicle("1", "a"), vehicle("1.0", "a"), vehicle("none", "a")]
    loaded = gold.load([change("2024-01", 1, [crash("a")], units)])
    assert (loaded.rows.vehicles, loaded.rows.keyless) == (1, 2)
    assert rows(gold, "select crash_unit_id from vehicles") == [(1,)]


def test_only_crashes_may_come(gold: Gold) -> None:
    """Defect 9: the reference drops a crashes-only run."""
    gold.load([change("2024-01", 1, [crash("a")])])
    assert rows(gold, "select veh_count, ppl_count from crashes") == [(0, 0)]


def test_keys_stay_unique_though_no_index_says_so(gold: Gold) -> None:
    for version in range(1, 6):
        units = [vehicle(n, "ab"[n * version % 2]) for n in range(6)]
        persons = [person(f"P{n}", "ab"[n % version % 2]) for n in range(6)]
        gold.load([change(f"2024-0{version}", 1, [crash("a"), crash("b")], units, persons)])
    for table, key in (("crashes", "crash_record_id"), ("vehicles", "crash_unit_id"), ("people", "person_id")):
        assert rows(gold, f"select count(*) = count(distinct {key}) from {table}") == [(True,)]
    counted = "select sum(veh_count), sum(ppl_count) from crashes"
    assert rows(gold, counted) == [(6, 6)]


def test_status(gold: Gold) -> None:
    assert gold.status().data_through is None
    gold.load([change("2024-01", 1, [crash("a"), crash("b", crash_date="2024-01-31T23:00:00.000")])])
    status = gold.status()
    assert (status.rows["crashes"], status.months, status.version) == (2, 1, 1)
    assert str(status.data_through) == "2024-01-31 23:00:00"
    assert status.file_bytes > 0


def test_a_table_of_another_version_of_this_service_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gold.duckdb"
    with duckdb.connect(path) as database:
        database.execute("create table crashes (crash_record_id varchar)")
    with pytest.raises(GoldError, match=r"another version.*built again from Silver"):
        Gold.open(path)


def test_an_empty_change_brings_the_month_on(gold: Gold) -> None:
    gold.load([Change("2024-01", 4, pl.DataFrame(schema=silver().schema))])
    assert gold.applied() == {"2024-01": 4}
