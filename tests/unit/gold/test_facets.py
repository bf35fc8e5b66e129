"""Facets are what follows from the tables, whatever was loaded, replaced, scored or wiped."""

from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from streams.storage.gold.gold import Gold
from tests.facets import differences
from tests.gold_rows import change, crash, located, person, vehicle
from tests.unit.gold.test_scores import score

JANUARY, FEBRUARY = "2024-01", "2024-02"
LATER = {"crash_date": "2024-02-03T23:59:59.000"}


def filled(gold: Gold) -> None:
    crashes = [
        crash("a", weather_condition="RAIN", injuries_total="2", injuries_fatal="1", injuries_incapacitating="0"),
        crash("b", injuries_total="0", hit_and_run_i="Y", posted_speed_limit="30", **located("41.88", "-87.63")),
        crash("c", crash_date=None, injuries_incapacitating="1", injuries_fatal="0"),
    ]
    vehicles = [vehicle(1, "a", vehicle_type="BUS"), vehicle(2, "a", unit_type="BICYCLE"), vehicle(3, "orphan")]
    people = [
        person("P1", "a", person_type="BICYCLE", age="110", injury_classification="FATAL"),
        person("P2", "b", person_type="DRIVER"),
        person("P3", "b", person_type="ALIEN"),
        person("P4", "orphan", person_type="DRIVER"),
    ]
    gold.load([change(JANUARY, 1, crashes[:2], vehicles, people), change("0000-00", 1, crashes[2:])])
    score(gold, "a", "b", probability=0.25)


def test_each_row_has_the_facets_of_its_crash(gold: Gold) -> None:
    filled(gold)
    assert differences(gold) == []
    counted = "select (select count(*) from {}_facets) as n"
    assert [gold.query(counted.format(name)).table["n"][0].as_py() for name in ("crash", "people", "vehicle")] == [
        3,
        3,
        1,
    ]


def test_what_is_amended_moved_or_gone_leaves_nothing_behind(gold: Gold) -> None:
    filled(gold)
    steps = [
        change(JANUARY, 2, [crash("b", weather_condition="SLEET, NEVER SEEN")], [vehicle(1, "b")], bare=["a"]),
        change(FEBRUARY, 1, [crash("a", **LATER)], [], [person("P1", "a", **LATER)]),
        change(FEBRUARY, 2, [], [], [person("P2", "orphan", **LATER)]),
        change(JANUARY, 3, bare=["a", "b"]),
    ]
    for step in steps:
        gold.load([step])
        assert differences(gold) == []
    assert gold.query('select "day" from facet_days').table.num_rows == 1


def test_a_month_that_is_replaced_and_a_wipe_take_their_facets_along(gold: Gold) -> None:
    filled(gold)
    instead = change(JANUARY, 7, [crash("z")], [vehicle(1, "z")], [person("P9", "z", person_type="PEDESTRIAN")])
    assert gold.replace(instead, instead_of=1)
    assert differences(gold) == []
    gold.wipe()
    assert differences(gold) == []
    filled(gold)
    assert differences(gold) == []


def test_a_load_that_fails_leaves_the_facets_as_they_were(gold: Gold, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(gold)
    monkeypatch.setattr("streams.storage.gold.lineage.runs_awaiting", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gold.load([change(JANUARY, 2, [crash("new", first_crash_type="NEW")])])
    assert differences(gold) == []


@pytest.mark.parametrize(
    "sql",
    [
        "drop table people_facets",
        "alter table crash_facets drop column risk",
        "alter table clock drop column faceted; delete from crashes where hit_and_run_i",
        "delete from crashes where hit_and_run_i; update clock set version = version + 1",
    ],
)
def test_what_an_earlier_version_left_or_wrote_gets_its_facets_when_it_is_opened(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "gold.duckdb"
    with closing(Gold.open(path)) as gold:
        filled(gold)
    with duckdb.connect(path) as database:
        database.execute(sql)
    with closing(Gold.open(path)) as gold:
        assert differences(gold) == []
        gold.load([change(JANUARY, 2, [crash("b")])])
        assert differences(gold) == []


def test_more_words_than_a_small_number_has_are_told_apart(gold: Gold) -> None:
    words = [f"CAUSE {number}" for number in range(300)]
    gold.load([change(JANUARY, 1, [crash(word, prim_contributory_cause=word) for word in words])])
    assert differences(gold) == []
