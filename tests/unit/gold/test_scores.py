"""Scores in Gold are of the rows that Gold holds, or are not there."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, cast

import polars as pl

from streams.records import Merged, RunEvent
from streams.storage.gold.gold import Gold
from streams.storage.gold.scores import SCHEMA
from streams.storage.gold.upsert import Change
from tests.gold_rows import change, crash, person, silver, vehicle

MONTH = "2024-01"


def ids(*names: str) -> pl.Series:
    return pl.Series("crash_record_id", names, pl.String)


def scores(*names: str, version: str = "v1", target: str = "injury", probability: float = 0.5) -> pl.DataFrame:
    rows = [
        {
            "crash_record_id": name,
            "target": target,
            "model_version": version,
            "probability": probability,
            "label": probability >= 0.5,
            "tier": "report",
            "contributions": [{"feature": "hour", "contribution": 0.25}],
        }
        for name in names
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def held(gold: Gold) -> list[tuple[Any, ...]]:
    sql = "select crash_record_id, target, model_version, probability from scores order by all"
    return [tuple(row.values()) for row in gold.query(sql).table.to_pylist()]


def unscored(gold: Gold, version: str = "v1", limit: int = 10) -> list[str]:
    return gold.unscored("injury", version, limit)["crash_record_id"].to_list()


def score(gold: Gold, *names: str, **said: Any) -> list[str]:
    gold.to_score(ids(*names))
    return gold.score(scores(*names, **said))["crash_record_id"].to_list()


def test_what_is_read_to_be_scored_is_all_that_gold_holds_of_the_crashes(gold: Gold) -> None:
    people = [person("P1", "a"), person("P2", "b"), person("P3", "orphan")]
    gold.load([change(MONTH, 1, [crash("a"), crash("b")], [vehicle(1, "a"), vehicle(2, "a")], people)])
    frames = gold.to_score(ids("a", "orphan", "never"))
    assert frames.crashes["crash_record_id"].to_list() == ["a"]
    assert frames.vehicles["crash_unit_id"].to_list() == [1, 2]
    assert frames.people["person_id"].to_list() == ["P1", "P3"]


def test_a_score_takes_the_place_of_the_one_before_it_and_of_no_other(gold: Gold) -> None:
    gold.load([change(MONTH, 1, [crash("a"), crash("b")])])
    score(gold, "a", "b")
    score(gold, "a", target="injury_severe", probability=0.1)
    gold.to_score(ids("a"))
    gold.score(scores("a", version="v2", probability=0.75), now=datetime(2024, 2, 1, tzinfo=UTC))
    assert held(gold) == [("a", "injury", "v2", 0.75), ("a", "injury_severe", "v1", 0.1), ("b", "injury", "v1", 0.5)]
    (row,) = gold.query("select scored_at, contributions from scores where model_version = 'v2'").table.to_pylist()
    assert row == {
        "scored_at": datetime(2024, 2, 1),
        "contributions": [{"feature": "hour", "contribution": 0.25}],
    }


def test_crashes_that_lack_a_score_of_the_version_are_found_newest_first(gold: Gold) -> None:
    days = {"a": "2024-01-03", "b": "2024-01-09", "c": "2024-01-06", "undated": None}
    gold.load([change(MONTH, 1, [crash(name, crash_date=day and f"{day}T00:00:00.000") for name, day in days.items()])])
    assert unscored(gold) == ["b", "c", "a", "undated"]
    assert unscored(gold, limit=2) == ["b", "c"]
    score(gold, "b")
    score(gold, "c", target="injury_severe")
    score(gold, "a", version="v0")
    assert unscored(gold) == ["c", "a", "undated"]


def test_a_crash_that_a_load_touches_loses_its_scores_and_others_keep_theirs(gold: Gold) -> None:
    gold.load([change(MONTH, 1, [crash("a"), crash("b"), crash("c"), crash("d")], [vehicle(1, "d")])])
    score(gold, "a", "b", "c", "d")
    # One is amended, one gone, one gets the vehicle of another.
    amended = [crash("a", damage="OVER $1,500"), crash("c")]
    loaded = gold.load([change(MONTH, 2, amended, [vehicle(1, "c")], bare=["b"])])
    assert sorted(loaded.rows.touched) == ["a", "b", "c", "d"]
    assert held(gold) == []
    assert sorted(unscored(gold)) == ["a", "c", "d"]
    score(gold, "a", "c", "d")
    gold.load([change(MONTH, 3, [crash("a", damage="$500 OR LESS")])])
    assert sorted(name for name, *_ in held(gold)) == ["c", "d"]


def test_what_changes_while_it_is_scored_keeps_no_score_of_what_it_was(gold: Gold) -> None:
    gold.load([change(MONTH, 1, [crash("a"), crash("b")])])
    gold.to_score(ids("a", "b"))
    gold.load([change(MONTH, 2, [crash("a", damage="OVER $1,500")])])
    kept = gold.score(scores("a", "b"))
    assert kept["crash_record_id"].to_list() == ["b"]
    assert (unscored(gold), [name for name, *_ in held(gold)]) == (["a"], ["b"])


def test_what_is_rebuilt_while_it_is_scored_keeps_no_score_of_what_it_was(gold: Gold) -> None:
    gold.load([change(MONTH, 1, [crash("a")])])
    gold.to_score(ids("a"))
    gold.replace(Change(MONTH, 1, silver([crash("a", damage="OVER $1,500")])), instead_of=1)
    assert gold.score(scores("a")).is_empty()
    assert unscored(gold) == ["a"]


def test_the_home_page_counts_what_is_scored_by_all_models_that_serve(gold: Gold) -> None:
    def counted() -> int | None:
        (row,) = gold.query(files("webapp").joinpath("sql/flow.sql").read_text()).table.to_pylist()
        return cast("int | None", row["crashes_scored"])

    gold.load([change(MONTH, 1, [crash("a"), crash("b"), crash("c")])])
    assert counted() is None
    score(gold, "a", "b", "c")
    score(gold, "a", "b", target="injury_severe")
    assert counted() == 2
    score(gold, "a", version="v2")  # has come to serve, and is at it
    assert counted() == 1


def test_a_merge_of_a_run_is_scored_when_its_whole_month_is(gold: Gold) -> None:
    def done() -> int | None:
        sql = files("webapp").joinpath("sql/run_scored.sql").read_text()
        (row,) = gold.query(sql, parameters={"run_id": "r"}).table.to_pylist()
        return cast("int | None", row["done"])

    months = {"2024-01": ["a", "b"], "2024-02": ["c"], "2024-03": ["d"]}
    for month, names in months.items():
        merged = Merged(page_id=month, month=month, version=1, rows=1, crashes_changed=1)
        gold.note([RunEvent(run_id="r", event=merged)])
        if month != "2024-03":  # which Gold does not have yet
            gold.load([change(month, 1, [crash(name, crash_date=f"{month}-05T00:00:00.000") for name in names])])
    assert done() is None
    score(gold, "a", "c")
    assert done() == 1
    score(gold, "b")
    assert done() == 2
    score(gold, "a", target="injury_severe")
    assert done() == 0
