"""Predictions over the API: for rows that somebody sends, and for crashes of Gold."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import pytest_asyncio

from models.inputs import MOST_ROWS
from tests.integration.webapp.trained import City, Served, serve_city
from webapp.api import predict_from_gold

# Nobody here changes anything: one app serves all tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")

CRASH = {"crash_date": "2025-06-01T17:40:00", "posted_speed_limit": 30, "weather_condition": "RAIN", "lane_cnt": 99}
PEDESTRIAN = {
    **CRASH,
    "first_crash_type": "PEDESTRIAN",
    "vehicles": [{"vehicle_type": "PASSENGER"}],
    "people": [{"person_type": "DRIVER", "age": 41}, {"person_type": "PEDESTRIAN", "age": 9}],
}
JANUARY = {"start": "2025-01-01", "end": "2025-02-01"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(city: City, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serve_city(city, tmp_path_factory.mktemp("served"), trained=True) as served:
        yield served


async def gold_rows(served: Served, limit: int) -> list[dict[str, Any]]:
    """The first crashes of January as JSON shows them, each with its vehicles and people."""

    async def query(sql: str) -> list[dict[str, Any]]:
        async with served.api.get("/api/gold/query", params={"sql": sql, "limit": "10000"}) as response:
            return (await response.json())["rows"]

    crashes = await query(
        f"SELECT * EXCLUDE (location) FROM crashes ORDER BY crash_date, crash_record_id LIMIT {limit}"
    )
    for table in ("vehicles", "people"):
        children = await query(
            f"SELECT * FROM {table} WHERE crash_record_id IN"
            f" (SELECT crash_record_id FROM crashes ORDER BY crash_date, crash_record_id LIMIT {limit})"
        )
        for crash in crashes:
            crash[table] = [row for row in children if row["crash_record_id"] == crash["crash_record_id"]]
    return crashes


async def test_a_crash_has_the_same_probability_sent_or_read_from_gold(served: Served) -> None:
    rows = await gold_rows(served, 60)
    sent = await served.ask("POST", "predict?explain=3", 200, {"rows": rows})
    read = await served.ask("POST", "predict-from-gold?explain=3&limit=60", 200, JANUARY)
    assert read["model"] == sent["model"]
    assert [row["row"] for row in sent["predictions"]] == list(range(60))
    named = ("crash_record_id", "probability", "label", "contributions")
    assert [[row[name] for name in named] for row in sent["predictions"]] == [
        [row[name] for name in named] for row in read["rows"]
    ]
    assert len({row["probability"] for row in read["rows"]}) > 10
    findings = sent["findings"]
    assert findings["missing_columns"] == findings["unknown_columns"] == []
    assert findings["unknown_categories"] == {}
    assert "it is the outcome itself" in findings["ignored_columns"]["injuries_total"]


async def test_one_crash_is_explained_and_what_it_lacked_is_told(served: Served) -> None:
    answer = await served.ask("POST", "predict?explain=4", 200, {**PEDESTRIAN, "colour": "red", "damage": "PRICELESS"})
    assert answer["model"]["version"] == served.report.version
    (prediction,) = answer["predictions"]
    assert prediction["label"] == (prediction["probability"] >= answer["model"]["threshold"])
    sizes = [abs(each["contribution"]) for each in prediction["contributions"]]
    assert (len(sizes), sizes) == (4, sorted(sizes, reverse=True))
    values = {each["feature"]: each["value"] for each in prediction["contributions"]}
    assert values.get("pedestrians", "1") == "1"
    assert values["first_crash_type"] == "PEDESTRIAN"
    findings = answer["findings"]
    assert findings["unknown_columns"] == ["colour"]
    assert findings["unknown_categories"] == {"damage": ["PRICELESS"]}
    assert findings["impossible_values"] == [{"field": "lane_cnt", "value": "99"}]
    assert {"street_name", "people.safety_equipment"} <= set(findings["missing_columns"])
    assert not {"posted_speed_limit", "people.age", "people", "vehicles"} & set(findings["missing_columns"])
    (alone,) = (await served.ask("POST", "predict", 200, {**CRASH}))["predictions"]
    assert alone["probability"] < prediction["probability"]
    assert "contributions" not in alone


async def test_a_model_is_chosen_by_its_version(served: Served) -> None:
    answer = await served.ask("POST", f"predict?version={served.scene.version}", 200, CRASH)
    assert (answer["model"]["version"], answer["model"]["tier"]) == (served.scene.version, "at-scene")
    assert {"vehicles", "people"} <= set(answer["findings"]["missing_columns"])
    assert "damage" not in answer["findings"]["missing_columns"], "an at-scene model does not look at it"


async def test_csv_comes_in_and_goes_out(served: Served) -> None:
    body = "crash_record_id,crash_date,posted_speed_limit\nx,2025-06-01 17:40:00.000000,30\ny,2025-06-01T03:00,\n"
    path = "/api/model/predict?explain=2"
    as_csv = {"Content-Type": "text/csv; charset=utf-8"}
    async with served.api.post(path, data=body, headers=as_csv) as response:
        as_json = (await response.json())["predictions"]
    async with served.api.post(path, data=body, headers={**as_csv, "Accept": "text/csv"}) as response:
        assert response.headers["X-Model-Version"] == served.report.version
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    assert [row["crash_record_id"] for row in rows] == ["x", "y"]
    assert [float(row["probability"]) for row in rows] == [row["probability"] for row in as_json]
    assert [json.loads(row["contributions"]) for row in rows] == [row["contributions"] for row in as_json]


WRONG: tuple[tuple[str, Any, int, str | None, str], ...] = (
    ("predict", {"rows": [CRASH, {"posted_speed_limit": "fast"}]}, 422, "rows.1.posted_speed_limit", "no whole number"),
    ("predict", {"people": [{"age": "old"}]}, 422, "people.0.age", "no whole number"),
    ("predict", {"rows": [CRASH], "target": "injury"}, 422, "target", "beside rows"),
    ("predict", {"rows": CRASH}, 422, "rows", "no list"),
    ("predict", {"rows": [{}] * (MOST_ROWS + 1)}, 422, "rows", "too many"),
    ("predict", [CRASH], 422, None, "no JSON object"),
    ("predict?explain=99", CRASH, 422, "explain", "50"),
    ("predict?target=luck", CRASH, 422, "target", "'injury'"),
    ("predict?version=never", CRASH, 404, "version", "never"),
    ("predict?version=..%2Fx", CRASH, 422, "version", "pattern"),
    ("predict?target=injury_severe", CRASH, 404, "target", "no model serves for injury_severe"),
    ("predict-from-gold", {}, 422, None, "start and end"),
    ("predict-from-gold", {"start": "2025-01-01"}, 422, None, "start and end"),
    ("predict-from-gold", {**JANUARY, "crash_record_ids": ["a"]}, 422, None, "alone"),
    ("predict-from-gold", {"start": "2025-02-01", "end": "2025-01-01"}, 422, "end", "after start"),
    ("predict-from-gold", {"crash_record_ids": []}, 422, "crash_record_ids", "at least 1"),
    ("predict-from-gold?version=never", JANUARY, 404, "version", "never"),
)


async def test_a_wrong_request_is_told_its_field_and_the_remedy(served: Served) -> None:
    for path, body, status, field, words in WRONG:
        error = (await served.ask("POST", path, status, body))["error"]
        assert (error["field"], bool(error["hint"])) == (field, True), (path, error)
        assert words in error["message"], (path, error)
    version = served.report.version
    error = (await served.ask("POST", f"predict?version={version}&target=injury_severe", 422, CRASH))["error"]
    assert error["field"] == "target"


async def test_a_body_that_is_no_json_or_no_csv_is_refused(served: Served) -> None:
    for body, media, status, words in (
        (b"{", "application/json", 422, "no JSON"),
        (b"NaN", "application/json", 422, "no JSON"),
        (b"a,a\n1,2\n", "text/csv", 422, "twice"),
        (b"<crash/>", "application/xml", 415, "application/xml"),
    ):
        async with served.api.post("/api/model/predict", data=body, headers={"Content-Type": media}) as response:
            error = (await response.json())["error"]
            assert (response.status, bool(error["hint"])) == (status, True)
            assert words in error["message"]


async def test_crashes_of_gold_are_counted_binned_and_judged(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await served.ask("POST", "predict-from-gold?limit=5000", 200, JANUARY)
    assert whole["crashes"] == len(whole["rows"]) == sum(whole["histogram"]["counts"]) > 1000
    assert len(whole["histogram"]["edges"]) == len(whole["histogram"]["counts"]) + 1
    assert whole["labelled_true"] == sum(row["label"] for row in whole["rows"])
    outcomes = [row["outcome"] for row in whole["rows"] if row["outcome"] is not None]
    assert (whole["outcomes_known"], whole["outcomes_true"]) == (len(outcomes), sum(outcomes))
    assert 0.7 < whole["evaluation"]["metrics"]["roc_auc"]["value"] < 1
    assert (whole["truncated"], whole["not_evaluated"], whole["not_found"]) == (False, None, [])

    monkeypatch.setattr(predict_from_gold, "_PAGE", 301)
    paged = await served.ask("POST", "predict-from-gold?limit=700", 200, JANUARY)
    assert (paged["rows"], paged["truncated"]) == (whole["rows"][:700], True)
    for name in ("crashes", "histogram", "evaluation", "outcomes_known"):
        assert paged[name] == whole[name]
    headers = {"Accept": "text/csv"}
    async with served.api.post("/api/model/predict-from-gold", json=JANUARY, headers=headers) as response:
        assert response.headers["X-Model-Version"] == served.report.version
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    assert [(row["crash_record_id"], float(row["probability"])) for row in rows] == [
        (row["crash_record_id"], row["probability"]) for row in whole["rows"]
    ]


async def test_all_crashes_of_a_span_have_an_address_and_come_as_arrow(served: Served) -> None:
    path = "/api/model/predict-from-gold?start=2025-01-01&end=2025-01-10&explain=2"
    async with served.api.get(path) as response:
        rows = (await response.json())["rows"]
    assert all(set(each) == {"feature", "contribution", "value"} for row in rows for each in row["contributions"])
    for address in (f"{path}&format=arrow", path.replace("?", ".arrow?")):
        async with served.api.get(address) as response:
            table = pa.ipc.open_stream(await response.read()).read_all()
            assert table.num_rows > len(rows) == 100
            assert table.slice(0, 100)["contributions"].to_pylist() == [row["contributions"] for row in rows]
    async with served.api.get(f"{path}&format=csv") as response:
        assert len((await response.text()).splitlines()) == table.num_rows + 1


async def test_what_has_no_such_format_says_which_it_has(served: Served) -> None:
    error = (await served.ask("GET", "predict-from-gold?start=2025-01-01&end=2025-02-01&format=parquet", 406))["error"]
    assert (error["code"], error["field"]) == ("not-acceptable", "format")
    assert "arrow" in error["hint"]
    backwards = (await served.ask("GET", "predict-from-gold?start=2025-02-01&end=2025-01-01", 422))["error"]
    assert backwards["field"] == "end"
    async with served.api.post("/api/model/predict?format=parquet&explain=1", json=CRASH) as response:
        table = pa.parquet.read_table(io.BytesIO(await response.read()))
    assert table.column_names == ["row", "crash_record_id", "probability", "label", "contributions"]


async def test_crashes_of_gold_are_asked_for_by_id(served: Served) -> None:
    first, second = (row["crash_record_id"] for row in await gold_rows(served, 2))
    answer = await served.ask("POST", "predict-from-gold", 200, {"crash_record_ids": [second, "never", first]})
    assert [row["crash_record_id"] for row in answer["rows"]] == [first, second]
    assert answer["not_found"] == ["never"]
    assert answer["evaluation"] is None
    assert "too few" in answer["not_evaluated"]
    empty = await served.ask("POST", "predict-from-gold", 200, {"start": "2020-01-01", "end": "2020-02-01"})
    assert (empty["crashes"], empty["rows"], empty["truncated"]) == (0, [], False)


async def test_days_without_crashes_are_explained_by_nothing(served: Served) -> None:
    found = await served.ask("POST", "predict-from-gold?explain=3", 200, {"start": "1999-01-01", "end": "1999-02-01"})
    assert (found["crashes"], found["rows"]) == (0, [])
