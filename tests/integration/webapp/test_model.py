"""Models over the API: which there are, what they know, and which of them serve."""

import asyncio
from typing import Any

import pytest

from models.features import chosen
from streams.topics import MODEL_CHANGES
from tests.integration.webapp.trained import Served


async def test_where_nothing_serves_yet_it_says_so_and_what_to_do(untrained: Served) -> None:
    targets = (await untrained.ask("GET", "info", 200))["targets"]
    assert [(each["target"], each["model"]) for each in targets] == [("injury", None), ("injury_severe", None)]
    assert all("POST /api/model/train" in each["hint"] for each in targets)
    assert (await untrained.ask("GET", "versions", 200))["versions"] == []
    error = (await untrained.ask("POST", "rollback", 422, {"target": "injury"}))["error"]
    assert (error["field"], bool(error["hint"])) == ("target", True)


async def test_without_a_model_the_caller_is_told_what_to_do(untrained: Served) -> None:
    for path, body in (
        ("predict", {"crash_date": "2025-06-01T12:00:00"}),
        ("predict-from-gold", {"start": "2025-01-01", "end": "2025-02-01"}),
    ):
        error = (await untrained.ask("POST", path, 404, body))["error"]
        assert (error["code"], error["field"]) == ("model-missing", "target")
        assert "train" in error["hint"]


async def test_a_serving_model_is_described_with_its_features_and_metrics(served: Served) -> None:
    injury, severe = (await served.ask("GET", "info", 200, headers={}))["targets"]
    assert (injury["hint"], severe["model"]) == (None, None)
    assert injury["promotion"]["version"] == served.report.version
    model = injury["model"]
    assert (model["version"], model["tier"], model["algorithm"]) == (served.report.version, "report", "lightgbm")
    assert model["threshold"] == served.report.threshold
    assert model["data_from"] < model["data_through"]
    auc = model["metrics"]["roc_auc"]
    assert auc["low"] < auc["value"] < auc["high"]
    features = {feature["name"]: feature for feature in model["features"]}
    assert features.keys() == {feature.name for feature in chosen("report")}
    weather = features["weather_condition"]
    assert (weather["tier"], weather["kind"], weather["source"]) == (
        "pre-crash",
        "category",
        "crashes.weather_condition",
    )
    assert "RAIN" in weather["categories"]
    assert features["age_mean"]["categories"] is None
    assert await served.ask("GET", f"versions/{served.report.version}", 200) == model


async def test_versions_are_listed_and_have_a_card_and_an_evaluation(served: Served) -> None:
    listed = (await served.ask("GET", "versions", 200))["versions"]
    assert [(each["version"], each["serving"]) for each in listed] == [
        (served.scene.version, False),
        (served.report.version, True),
    ]
    assert (await served.ask("GET", "versions?target=injury_severe", 200))["versions"] == []
    assert len((await served.ask("GET", "versions?limit=1", 200))["versions"]) == 1
    path = f"/api/model/versions/{served.scene.version}"
    async with served.api.get(f"{path}/card") as response:
        assert response.content_type == "text/markdown"
        assert served.scene.version in await response.text()
    evaluation = await served.ask("GET", f"versions/{served.scene.version}/evaluation", 200)
    assert {"reliability", "pr_curve", "confusion", "by_month"} <= evaluation.keys()


async def test_a_version_that_is_not_there_is_a_404_that_names_it(served: Served) -> None:
    for path in ("versions/never", "versions/never/card", "versions/never/evaluation"):
        error = (await served.ask("GET", path, 404))["error"]
        assert (error["code"], error["field"], bool(error["hint"])) == ("model-missing", "version", True)
        assert "never" in error["message"]
    assert (await served.ask("POST", "promote", 404, {"version": "never"}))["error"]["field"] == "version"
    assert (await served.ask("POST", "promote", 422, {"version": "../never"}))["error"]["field"] == "version"


async def test_a_promotion_serves_at_once_and_can_be_taken_back(served: Served) -> None:
    async def serves() -> tuple[Any, Any]:
        (injury, _) = (await served.ask("GET", "info", 200))["targets"]
        answer = await served.ask("POST", "predict", 200, {"crash_date": "2025-06-01T12:00:00"})
        return injury["model"]["version"], answer["model"]["version"]

    assert await serves() == (served.report.version,) * 2
    promotion = await served.ask("POST", "promote", 200, {"version": served.scene.version})
    assert (promotion["target"], promotion["before"], promotion["by"]) == ("injury", served.report.version, "api")
    assert await serves() == (served.scene.version,) * 2
    back = await served.ask("POST", "rollback", 200, {"target": "injury"})
    assert (back["version"], back["back"]) == (served.report.version, True)
    assert await serves() == (served.report.version,) * 2
    announced = [record.version for topic, record in served.outbox.records if topic is MODEL_CHANGES]
    assert announced == [served.scene.version, served.report.version]
    error = (await served.ask("POST", "rollback", 422, {"target": "injury"}))["error"]
    assert error["field"] == "target"


async def test_promotions_are_told_with_who_wanted_them(served: Served) -> None:
    await served.ask("POST", "promote", 200, {"version": served.scene.version})
    told = (await served.ask("GET", "promotions", 200, headers={}))["promotions"]
    assert [(each["version"], each["by"]) for each in told] == [
        (served.scene.version, "api"),
        (served.report.version, "training report"),
    ]
    assert (await served.ask("GET", "promotions?limit=1", 200))["promotions"] == told[:1]
    assert (await served.ask("GET", "promotions?target=injury_severe", 200))["promotions"] == []
    assert (await served.ask("GET", "promotions?target=luck", 422))["error"]["field"] == "target"


async def test_what_counts_most_in_a_model_is_measured_on_crashes_of_gold(served: Served) -> None:
    found = await served.ask("GET", f"importance?version={served.scene.version}", 200, headers={})
    assert (found["version"], found["crashes"]) == (served.scene.version, 500)
    assert {each["feature"] for each in found["features"]} == set(served.scene.features)
    sizes = [each["importance"] for each in found["features"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(each["share"] for each in found["features"]) == pytest.approx(1)
    # The city decides by what hit what more than by the day.
    ranks = {each["feature"]: rank for rank, each in enumerate(found["features"])}
    assert ranks["first_crash_type"] < 5 < ranks["is_holiday"]
    assert await served.ask("GET", f"importance?version={served.scene.version}", 200) == found
    assert (await served.ask("GET", "importance", 200))["version"] == served.report.version
    assert (await served.ask("GET", "importance?version=never", 404))["error"]["field"] == "version"
    # A version is part of a key in the store, which knows of no key like this.
    for path in ("form", "importance", "drift"):
        assert (await served.ask("GET", f"{path}?version=.", 422))["error"]["field"] == "version"


async def test_promotions_under_load_drop_nothing(served: Served) -> None:
    """Who asks while models change is answered by the one or the other, wholly."""
    versions = (served.scene, served.report)
    crash = {"crash_date": "2025-06-01T12:00:00", "posted_speed_limit": 30}
    expected = {}
    for model in versions:
        await served.ask("POST", "promote", 200, {"version": model.version})
        expected[model.version] = (await served.ask("POST", "predict", 200, crash))["predictions"]
    ended = False

    async def ask_ever() -> list[str]:
        answered = []
        while not ended:
            answer = await served.ask("POST", "predict", 200, crash)
            version = answer["model"]["version"]
            assert answer["predictions"] == expected[version]
            answered.append(version)
        return answered

    asking = [asyncio.create_task(ask_ever()) for _ in range(8)]
    for model in versions * 4:
        await served.ask("POST", "promote", 200, {"version": model.version})
        await served.ask("POST", "predict", 200, crash)
    ended = True
    answered = [version for versions in await asyncio.gather(*asking) for version in versions]
    assert set(answered) == set(expected)


async def test_without_the_token_nothing_is_promoted(served: Served) -> None:
    for path, body in (("promote", {"version": served.scene.version}), ("rollback", {"target": "injury"})):
        error = (await served.ask("POST", path, 401, body, headers={}))["error"]
        assert error["field"] == "Authorization"
    assert served.outbox.records == []
