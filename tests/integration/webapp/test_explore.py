"""The figures of Explore: each equals what Polars counts over the same rows, whatever is filtered."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from math import sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any
from urllib.parse import urlencode

import aiohttp
import plotly.graph_objects as go
import polars as pl
import pytest

from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import Gold
from tests.city_gold import city_changes
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web
from webapp.explore.choice import understood
from webapp.explore.figures import FIGURES
from webapp.pages.explore.cards import CARDS

Rows = list[dict[str, Any]]
CITY = 3_000
TALLIES = {
    "totals": {},
    "hours": {"hour": pl.col("hour")},
    "weekday-hours": {"day_of_week": pl.col("day_of_week"), "hour": pl.col("hour")},
    "weekend": {"is_weekend": pl.col("is_weekend")},
    "hour-bins": {"hour_bin": pl.col("hour_bin")},
    "speed-limits": {"posted_speed_limit": pl.col("posted_speed_limit")},
    "weather": {"weather_condition": pl.col("weather_condition").fill_null("UNKNOWN")},
    "lighting": {"lighting_condition": pl.col("lighting_condition").fill_null("UNKNOWN")},
    "crash-types": {"first_crash_type": pl.col("first_crash_type").fill_null("UNKNOWN")},
    "vehicle-counts": {"veh_count": pl.col("veh_count")},
    "places": {"grid_id": pl.col("grid_id")},
}
# Each filter of the API, and the same in Polars.
SEVERE = pl.col("injury_severe").fill_null(False)
FILTERS = {
    "from=2025-01-10&to=2025-02-09": pl.col("crash_date").dt.date().is_between(date(2025, 1, 10), date(2025, 2, 9)),
    "severity=severe&severity=unknown": SEVERE | pl.col("injury").is_null(),
    "severity=injury": pl.col("injury") & ~SEVERE,
    "first_crash_type=REAR END&first_crash_type=TURNING": pl.col("first_crash_type").is_in(["REAR END", "TURNING"]),
    "weather_condition=UNKNOWN&weather_condition=RAIN": pl.col("weather_condition").is_null()
    | (pl.col("weather_condition") == "RAIN"),
    "lighting_condition=DAYLIGHT": pl.col("lighting_condition") == "DAYLIGHT",
    "prim_contributory_cause=WEATHER": pl.col("prim_contributory_cause") == "WEATHER",
    "hour_from=22&hour_to=3": (pl.col("hour") >= 22) | (pl.col("hour") <= 3),
    "hour_from=7&hour_to=9": pl.col("hour").is_between(7, 9),
    "hour_from=20": pl.col("hour") >= 20,
    "day_of_week=6&day_of_week=7": pl.col("day_of_week") >= 6,
    "speed_from=35": pl.col("posted_speed_limit") >= 35,
    "speed_from=20&speed_to=25": pl.col("posted_speed_limit").is_between(20, 25),
    "veh_count=1": pl.col("veh_count") == 1,
    "hit=pedestrian": pl.col("pedestrian"),
    "hit=cyclist&hit=motorist": pl.col("cyclist") | ~(pl.col("pedestrian") | pl.col("cyclist")),
    "grid_id=41.88_-87.63": pl.col("grid_id") == "41.88_-87.63",
    "weather_condition=CLEAR&hour_from=16&hour_to=18&day_of_week=5&hit=motorist": (
        (pl.col("weather_condition") == "CLEAR")
        & pl.col("hour").is_between(16, 18)
        & (pl.col("day_of_week") == 5)
        & ~(pl.col("pedestrian") | pl.col("cyclist"))
    ),
}


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explore") / "gold.duckdb"
    filled = Gold.open(path)
    filled.load(city_changes(5, date(2025, 1, 1), date(2025, 3, 1), CITY))
    filled.close()
    return path


@pytest.fixture
async def explore(gold: Path, tmp_path: Path) -> AsyncIterator["Explore"]:
    async with (
        serve_gold(gold) as served,
        serve_web(nowhere(tmp_path, gold_port=served.port), Outbox()) as url,
        aiohttp.ClientSession(url) as api,
        GoldClient(f"http://127.0.0.1:{served.port}") as client,
    ):
        yield Explore(api, client)


class Explore:
    """The API, and the same rows in Polars."""

    def __init__(self, api: aiohttp.ClientSession, gold: GoldClient) -> None:
        self.api = api
        self._gold = gold

    async def rows(self, figure: str, query: str = "") -> Rows:
        async with self.api.get(f"/api/explore/{figure}?{query}") as response:
            body = await response.json()
            assert response.status == 200, body
            return list(body["rows"])

    async def crashes(self) -> pl.DataFrame:
        crashes, people = await self.table("crashes"), await self.table("people")
        on = {"pedestrian": "PEDESTRIAN", "cyclist": "BICYCLE"}
        return crashes.with_columns(
            pl.col("crash_record_id").is_in(people.filter(person_type=kind)["crash_record_id"].implode()).alias(name)
            for name, kind in on.items()
        )

    async def table(self, name: str) -> pl.DataFrame:
        answer = await self._gold.query(f"from {name}", limit=100_000)
        frame = pl.from_arrow(answer.table)
        assert isinstance(frame, pl.DataFrame)
        return frame


def tallied(crashes: pl.DataFrame, keys: dict[str, pl.Expr], rated: str = "injury") -> dict[tuple, tuple]:
    """Crashes, those by outcome, and what the rate is of, by the values of the keys."""
    groups = crashes.with_columns(pl.lit(1).alias("all"), **keys).group_by([*keys, "all"])
    counted = groups.agg(
        pl.len(),
        (~pl.col("injury")).sum().alias("no_injury"),
        (pl.col("injury") & ~SEVERE).sum().alias("some"),
        SEVERE.sum().alias("severe"),
        pl.col("injury").is_null().sum().alias("unknown"),
        pl.col(rated).cast(pl.Int64).sum().alias("hits"),
        pl.col(rated).count().alias("known"),
    )
    return {row[: len(keys)]: row[len(keys) + 1 :] for row in counted.rows()}


def answered(rows: Rows, keys: dict[str, Any]) -> dict[tuple, tuple]:
    names = ("crashes", "no_injury", "injury", "severe", "unknown", "hits", "known")
    return {tuple(row[key] for key in keys): tuple(row[name] for name in names) for row in rows}


async def test_plotly_takes_the_plot_of_every_card(explore: Explore) -> None:
    compared = {"from": "2025-02-01", "to": "2025-02-28", "compare_from": "2025-01-04", "compare_to": "2025-01-31"}
    chosen = {"hour_from": 17, "hour_to": 17, "day_of_week": [5]}
    for choice in (understood({}), understood(compared), understood(chosen)):
        for name, card in CARDS.items():
            asked = choice.without(*card.sets)
            plot, says = card.draw(await explore.rows(card.figure, urlencode(asked.query(), doseq=True)), choice)
            assert plot["data"], name
            assert says, name
            go.Figure(plot)  # raises for what it does not know


async def test_every_tally_counts_what_is_there(explore: Explore) -> None:
    crashes = await explore.crashes()
    assert crashes.height == CITY
    for figure, keys in TALLIES.items():
        assert answered(await explore.rows(figure), keys) == tallied(crashes, keys), figure
    causes = {"prim_contributory_cause": pl.col("prim_contributory_cause").fill_null("UNKNOWN")}
    assert answered(await explore.rows("causes"), causes) == tallied(crashes, causes, "injury_severe")
    fled = {row["hour"]: row["hits"] for row in await explore.rows("hit-and-run")}
    assert fled == dict(crashes.group_by("hour").agg(pl.col("hit_and_run_i").sum().cast(pl.Int64)).rows())


async def test_every_filter_holds_for_every_figure(explore: Explore) -> None:
    crashes, people = await explore.crashes(), await explore.table("people")
    for query, condition in FILTERS.items():
        kept = crashes.filter(condition)
        assert 0 < kept.height < CITY, query
        keys = TALLIES["crash-types"]
        assert answered(await explore.rows("crash-types", query), keys) == tallied(kept, keys), query
        assert sum(row["crashes"] for row in await explore.rows("days", query)) == kept.height, query
        theirs = people.join(kept, on="crash_record_id", how="semi")
        assert sum(row["people"] for row in await explore.rows("people", query)) == theirs.height, query
    for figure in FIGURES:
        assert await explore.rows(figure, "first_crash_type=NO SUCH TYPE") == [] or figure == "days", figure


async def test_people_vehicles_and_ages_are_those_of_the_crashes(explore: Explore) -> None:
    people, vehicles = await explore.table("people"), await explore.table("vehicles")
    kinds = people.group_by("person_type", "injury_classification").len().fill_null("UNKNOWN").rows()
    found = await explore.rows("people")
    assert {tuple(row[name] for name in ("person_type", "injury_classification", "people")) for row in found} == {
        *kinds
    }
    by_injury = people.with_columns(pl.col("injury_classification").fill_null("UNKNOWN")).group_by(
        "injury_classification"
    )
    known = {injury: frame["age"].drop_nulls().sort().to_list() for (injury,), frame in by_injury}
    expected = {
        injury: (frame.height, len(known[injury]), known[injury][(len(known[injury]) - 1) // 2])
        for (injury,), frame in by_injury
        if known[injury]
    }
    ages = await explore.rows("ages")
    assert {
        row["injury_classification"]: (row["people"], row["known"], row["p50"]) for row in ages if row["known"]
    } == expected
    real = vehicles.filter(~pl.col("unit_type").fill_null("").is_in(["PEDESTRIAN", "BICYCLE"]))
    types = dict(real.group_by(pl.col("vehicle_type").fill_null("UNKNOWN")).len().rows())
    assert {row["vehicle_type"]: row["vehicles"] for row in await explore.rows("vehicle-types")} == types


async def test_days_have_a_mean_once_there_are_seven(explore: Explore) -> None:
    crashes = (await explore.crashes()).filter(weather_condition="SNOW")
    counts = dict(crashes.group_by(pl.col("crash_date").dt.date()).len().rows())
    rows = await explore.rows("days", "weather_condition=SNOW")
    assert len(rows) == 59
    for place, row in enumerate(rows):
        week = [counts.get(date.fromisoformat(one["day"]), 0) for one in rows[max(0, place - 6) : place + 1]]
        assert row["crashes"] == week[-1]
        assert row["mean_7_days"] == (pytest.approx(sum(week) / 7) if place >= 6 else None)
    mondays = await explore.rows("days", "day_of_week=1")
    assert all(row["mean_7_days"] == row["crashes"] for row in mondays)


async def test_the_interval_is_wilsons(explore: Explore) -> None:
    z = NormalDist().inv_cdf(0.975)
    rows = [*await explore.rows("weather"), *await explore.rows("causes"), *await explore.rows("hit-and-run")]
    assert any(row["hits"] == 0 for row in rows)
    for row in rows:
        share, n = row["hits"] / row["known"], row["known"]
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        assert (row["rate"], row["low"], row["high"]) == pytest.approx(
            (share, middle - reach, middle + reach), abs=1e-9
        )
        assert 0 <= row["low"] <= row["rate"] <= row["high"] <= 1


async def test_two_periods_of_different_length_compare_by_crashes_a_day(explore: Explore) -> None:
    query = "from=2025-02-01&to=2025-02-14&compare_from=2025-01-01&compare_to=2025-01-31"
    chosen, compared = await explore.rows("totals", query)
    assert (chosen["period"], compared["period"]) == ("chosen", "compared")
    assert chosen["crashes"] == (await explore.rows("totals", "from=2025-02-01&to=2025-02-14"))[0]["crashes"]
    assert chosen["per_day"] == pytest.approx(chosen["crashes"] / 14)
    assert compared["per_day"] == pytest.approx(compared["crashes"] / 31)
    # A weekday is divided by its own days alone: two Fridays in the one period, five in the other.
    fridays = [row for row in await explore.rows("weekdays", query) if row["day_of_week"] == 5]
    assert [row["crashes"] / row["per_day"] for row in fridays] == pytest.approx([2, 5])
    # Days that Gold holds nothing of thin nothing out.
    (longer,) = await explore.rows("totals", "from=2025-02-15&to=2027-01-01")
    assert longer["per_day"] == pytest.approx(longer["crashes"] / 14)


async def test_what_is_no_filter_is_refused_by_field(explore: Explore) -> None:
    for asked, field in {
        "nothing": "figure",
        "hours?wether=RAIN": "wether",
        "hours?from=soon": "from",
        "hours?from=2025-02-01&to=2025-01-01": "to",
        "hours?compare_from=2025-02-01": "compare_to",
        "hours?compare_from=2025-02-01&compare_to=2025-01-01": "compare_to",
        "hours?severity=bad": "severity.0",
        "hours?hour_from=24": "hour_from",
        "hours?day_of_week=0": "day_of_week.0",
        "hours?speed_from=30&speed_to=20": "speed_to",
        "hours?hit=dog": "hit.0",
        "hours?format=xml": "format",
    }.items():
        async with explore.api.get(f"/api/explore/{asked}") as response:
            error = (await response.json())["error"]
            assert (response.status, error["field"]) == (422, field), asked
            assert error["hint"], asked


async def test_every_figure_is_listed_with_the_columns_that_it_answers_with(explore: Explore) -> None:
    async with explore.api.get("/api/explore") as response:
        listed = {card["name"]: [column["name"] for column in card["columns"]] for card in await response.json()}
    assert listed.keys() == FIGURES.keys()
    for figure, columns in listed.items():
        async with explore.api.get(f"/api/explore/{figure}.csv") as response:
            header, *lines = csv.reader(io.StringIO(await response.text()))
        assert (header, len(lines)) == (columns, len(await explore.rows(figure))), figure


async def test_an_answer_is_known_again_by_its_tag(explore: Explore) -> None:
    async with explore.api.get("/api/explore/hours") as response:
        tag = response.headers["ETag"]
    async with explore.api.get("/api/explore/hours", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
