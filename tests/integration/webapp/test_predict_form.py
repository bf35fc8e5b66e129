"""What a prediction can be asked with: the fields of a form, and a crash of Gold that is filled in."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from models.features import KEY, build
from models.inputs import from_rows
from tests.integration.webapp.trained import City, Served, serve_city
from webapp.api.form import _TOLD_APART
from webapp.pages.predict import crash

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(city: City, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serve_city(city, tmp_path_factory.mktemp("served"), trained=True) as served:
        yield served


async def test_a_form_offers_what_the_model_looks_at_and_nothing_else(served: Served) -> None:
    form = await served.ask("GET", "form", 200)
    assert form["model"]["version"] == served.report.version
    fields = {(field["table"], field["name"]): field for field in form["fields"]}
    weather = fields["crashes", "weather_condition"]
    assert (weather["group"], weather["kind"], weather["label"]) == ("road and weather", "category", "Weather")
    assert {"CLEAR", "RAIN"} <= set(weather["choices"])
    speed = fields["crashes", "posted_speed_limit"]
    assert (speed["kind"], speed["low"], speed["high"]) == ("number", 1, 70)
    assert fields["crashes", "crash_date"]["kind"] == "time"
    assert fields["people", "person_type"]["choices"][0] == "DRIVER"
    # A row that has every field lacks nothing that the model looks at.
    row: dict[str, Any] = {name: None for table, name in fields if table == "crashes"}
    for child in ("vehicles", "people"):
        row[child] = [{name: None for table, name in fields if table == child}]
    answer = await served.ask("POST", "predict", 200, row)
    assert answer["findings"]["missing_columns"] == answer["findings"]["unknown_columns"] == []

    scene = await served.ask("GET", f"form?version={served.scene.version}", 200)
    assert "damage" not in {field["name"] for field in scene["fields"]}


async def test_every_choice_of_vehicles_and_people_that_is_counted_counts(served: Served) -> None:
    form = await served.ask("GET", "form", 200)
    for field in form["fields"]:
        if field["table"] == "crashes" or not field["choices"]:
            continue
        rows = [
            {"crash_date": "2025-01-01T00:00:00", field["table"]: [{field["name"]: each}]} for each in field["choices"]
        ]
        frames = from_rows(rows).frames
        features = build(frames.crashes, frames.vehicles, frames.people).drop(KEY)
        assert len(features.unique()) > 1, f"the choices of {field['name']} make no difference"
    assert set(_TOLD_APART) <= {field["name"] for field in form["fields"]}


async def test_an_example_is_a_crash_of_gold_with_the_probability_it_has_there(served: Served) -> None:
    example = await served.ask("GET", "example", 200)
    identity = example["crash_record_id"]
    (row,) = (await served.ask("POST", "predict-from-gold", 200, {"crash_record_ids": [identity]}))["rows"]
    sent = await served.ask("POST", "predict", 200, example["crash"])
    assert sent["predictions"][0]["probability"] == pytest.approx(row["probability"])
    assert example["outcomes"]["injury"] == row["outcome"]
    assert not {"injuries_total", "most_severe_injury", "crash_type"} & set(example["crash"])
    # What a person sees in the form of the page, and sends from it, is the same crash.
    typed = crash.to_send(crash.of_gold(example["crash"]))
    assert (await served.ask("POST", "predict", 200, typed))["predictions"][0]["probability"] == pytest.approx(
        row["probability"]
    )
    named = await served.ask("GET", f"example?crash_record_id={identity}", 200)
    assert named == example
    error = (await served.ask("GET", "example?crash_record_id=never", 404))["error"]
    assert (error["field"], bool(error["hint"])) == ("crash_record_id", True)


async def test_an_example_as_csv_is_a_template_that_can_be_sent(served: Served) -> None:
    async with served.api.get("/api/model/example.csv") as response:
        text = await response.text()
    (row,) = csv.DictReader(io.StringIO(text))
    assert {"crash_date", "weather_condition", "posted_speed_limit"} <= set(row)
    async with served.api.post("/api/model/predict", data=text, headers={"Content-Type": "text/csv"}) as response:
        answer = await response.json()
    assert response.status == 200, answer
    assert (answer["findings"]["unknown_columns"], len(answer["predictions"])) == ([], 1)
    assert set(answer["findings"]["missing_columns"]) == {"vehicles", "people"}
