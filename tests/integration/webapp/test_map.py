"""The map's routes: each crash in the hexagon whose middle is nearest, and both routes of one mind on the filters."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from math import dist
from pathlib import Path

import aiohttp
import plotly.graph_objects as go
import pytest

from tests.integration.webapp.places import UNSCORED, write_places
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web
from webapp.components.city_map import city_map, steps_of
from webapp.hexgrid import LATITUDE_METRES, LONGITUDE_METRES, ORIGIN, address, address_of, corners, metres, middle

NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("places") / "gold.duckdb"
    write_places(path)
    return path


@pytest.fixture
async def city(places: Path, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve_gold(places) as served,
        serve_web(nowhere(tmp_path, gold_port=served.port), Outbox()) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


async def ask(api: aiohttp.ClientSession, path: str, status: int = 200, **query: str) -> dict:
    async with api.get(path, params=query) as response:
        body = await response.json()
        assert response.status == status, body
        return body


async def query(api: aiohttp.ClientSession, sql: str) -> list[dict]:
    return (await ask(api, "/api/gold/query", sql=sql, limit="10000"))["rows"]


async def test_each_crash_is_in_the_hexagon_whose_middle_is_nearest(city: aiohttp.ClientSession) -> None:
    size = 500
    rows = (await ask(city, "/api/map/crashes", size=str(size), limit="10000"))["rows"]
    counted: Counter[tuple[int, int]] = Counter()
    for row in rows:
        if row["latitude"] is None:
            assert row["q"] is row["r"] is None
            continue
        at, (q, r) = metres(row["latitude"], row["longitude"]), (row["q"], row["r"])
        away = dist(at, middle(q, r, size))
        assert all(away <= dist(at, middle(q + dq, r + dr, size)) + 1e-6 for dq, dr in NEIGHBOURS)
        counted[q, r] += 1
    found = await ask(city, "/api/map/hexagons", size=str(size))
    assert {(each["q"], each["r"]): each["crashes"] for each in found["hexagons"]} == counted
    assert found["without_place"] == len(rows) - counted.total() > 0
    assert found["crashes"] == len(rows)
    first = found["hexagons"][0]
    assert metres(first["latitude"], first["longitude"]) == pytest.approx(middle(first["q"], first["r"], size), abs=0.2)
    outline = (await ask(city, "/api/map/outline", size=str(size)))["rows"]
    assert {(each["q"], each["r"]) for each in outline} == counted.keys()


PEOPLE = "crash_record_id in (select crash_record_id from people where person_type = '{}')"


FILTERS = [
    ({}, "true"),
    ({"from": "2025-01-10", "to": "2025-01-12"}, "crash_date::date between '2025-01-10' and '2025-01-12'"),
    ({"severity": "injury"}, "injury"),
    ({"severity": "severe"}, "injury_severe"),
    ({"severity": "fatal"}, "injuries_fatal > 0"),
    ({"type": "REAR END"}, "first_crash_type = 'REAR END'"),
    ({"type": "NO SUCH TYPE"}, "false"),
    ({"who": "pedestrian"}, PEOPLE.format("PEDESTRIAN")),
    ({"who": "cyclist", "severity": "injury"}, PEOPLE.format("BICYCLE") + " and injury"),
    ({"who": "passenger", "to": "2025-01-31"}, PEOPLE.format("PASSENGER") + " and crash_date < '2025-02-01'"),
]


async def test_hexagons_and_crashes_count_what_the_filters_leave(city: aiohttp.ClientSession) -> None:
    for filters, where in FILTERS:
        ids = {
            row["crash_record_id"] for row in await query(city, f"select crash_record_id from crashes where {where}")
        }
        found = await ask(city, "/api/map/hexagons", **filters)
        crashes = (await ask(city, "/api/map/crashes", limit="10000", **filters))["rows"]
        assert {row["crash_record_id"] for row in crashes} == ids
        assert found["crashes"] == len(crashes) == len(ids)
        for name, count in (("injuries", "injury"), ("severe", "injury_severe")):
            placed = [row for row in crashes if row["q"] is not None]
            assert sum(each[name] for each in found["hexagons"]) == sum(row[count] is True for row in placed)


async def test_a_hexagon_knows_its_outcomes_and_its_risk(city: aiohttp.ClientSession) -> None:
    found = await ask(city, "/api/map/hexagons", size="2000")
    most = found["hexagons"][0]
    hexagon = f"{most['q']},{most['r']}"
    inside = await ask(city, "/api/map/crashes", size="2000", hexagon=hexagon, limit="10000")
    rows, risks = inside["rows"], [row["risk"] for row in inside["rows"] if row["risk"] is not None]
    known = [row["injury"] for row in rows if row["injury"] is not None]
    assert len(rows) == most["crashes"] == max(each["crashes"] for each in found["hexagons"])
    assert (most["known"], most["injuries"]) == (len(known), sum(known))
    assert most["injury_share"] == pytest.approx(sum(known) / len(known))
    assert most["risk"] == pytest.approx(sum(risks) / len(risks))
    assert all(row["risky"] == (row["risk"] >= 0.3) for row in rows if row["risk"] is not None)


async def test_the_newest_crashes_come_first_and_by_pages(city: aiohttp.ClientSession) -> None:
    everything = (await ask(city, "/api/map/crashes", limit="10000"))["rows"]
    times = [row["crash_date"] for row in everything]
    assert times == sorted(times, reverse=True)
    assert [row["risk"] is None for row in everything[: UNSCORED + 1]] == [True] * UNSCORED + [False]
    pages = [await ask(city, "/api/map/crashes", limit="700", offset=str(start)) for start in (0, 700, 1400)]
    assert [row for page in pages for row in page["rows"]] == everything
    assert [page["truncated"] for page in pages] == [True, True, False]
    since = (await ask(city, "/api/map/crashes", limit="10000", since=times[30]))["rows"]
    assert since == [row for row in everything if row["crash_date"] > times[30]] != []


async def test_a_csv_tells_of_crashes_without_a_place(city: aiohttp.ClientSession) -> None:
    async with city.get("/api/map/hexagons.csv", params={"size": "1000"}) as response:
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    found = await ask(city, "/api/map/hexagons", size="1000")
    assert [int(row["crashes"]) for row in rows if not row["q"]] == [found["without_place"]]
    assert len(rows) == len(found["hexagons"]) + 1
    async with city.get("/api/map/crashes.csv", params={"limit": "3"}) as response:
        assert len(list(csv.reader(io.StringIO(await response.text())))) == 4
    types = (await ask(city, "/api/map/types"))["rows"]
    assert {row["type"]: row["crashes"] for row in types}["REAR END"] > 0


REFUSED = [
    ("hexagons", "to", {"from": "2025-02-01", "to": "2025-01-01"}),
    ("hexagons", "from", {"from": "yesterday"}),
    ("hexagons", "size", {"size": "30"}),
    ("crashes", "size", {"size": "wide"}),
    ("crashes", "severity", {"severity": "worst"}),
    ("crashes", "who", {"who": "dog"}),
    ("crashes", "hexagon", {"hexagon": "1;2"}),
    ("crashes", "since", {"since": "2025-01-01T00:00:00Z"}),
    ("crashes", "limit", {"limit": "0"}),
]


async def test_bad_input_is_refused_by_its_field(city: aiohttp.ClientSession) -> None:
    for path, field, given in REFUSED:
        assert (await ask(city, f"/api/map/{path}", 422, **given))["error"]["field"] == field, given


async def test_an_answer_is_kept_until_gold_changes(city: aiohttp.ClientSession) -> None:
    async with city.get("/api/map/hexagons") as first:
        tag = first.headers["ETag"]
    async with city.get("/api/map/hexagons", headers={"If-None-Match": tag}) as again:
        assert again.status == 304


async def test_plotly_takes_the_map(city: aiohttp.ClientSession) -> None:
    found = (await ask(city, "/api/map/hexagons", size="500"))["hexagons"]
    crashes = (await ask(city, "/api/map/crashes"))["rows"]
    places = [(each["q"], each["r"]) for each in found]
    for still in (True, False):
        plot = city_map(
            places,
            500,
            steps=steps_of(found, "crashes"),
            words=dict.fromkeys(places, "said"),
            crashes=crashes,
            fresh=crashes[:1],
            chosen=places[0],
            at=(41.9, -87.6),
            still=still,
        )
        go.Figure(plot)  # raises for what it does not know


def test_corners_are_as_far_apart_as_the_size_says() -> None:
    around = corners(3, -2, 500)
    assert [dist(one, other) for one, other in zip(around, [*around[1:], around[0]], strict=True)] == pytest.approx(
        [500 / 3**0.5] * 6
    )
    assert around[1][0] - around[5][0] == pytest.approx(500)


def test_places_have_an_address_in_the_grid_of_the_city() -> None:
    mile = 1609.344
    assert address(41.88197, -87.62781) == "0 N, 0 E"
    assert address(41.88197 + 3 * mile / LATITUDE_METRES, -87.62781 - mile / LONGITUDE_METRES) == "2400 N, 800 W"
    assert address_of(0, 0, 500) == address(*ORIGIN)
