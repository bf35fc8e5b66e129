"""What is chosen on the page of trainings: in its address, in the request, and what came of it in words."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import TrainRequest
from webapp.components.evaluation import apart
from webapp.pages.train.beside import default_pair
from webapp.pages.train.choices import Choices, body, search
from webapp.pages.train.form import NUMBERS, out_of_bounds, within, wrong
from webapp.pages.train.job import ended

CHOSEN = {
    "target": "injury_severe",
    "tier": "at-scene",
    "algorithm": "forest",
    "without": ["dooring", "hour"],
    "hyper": {"n_estimators": 50, "max_samples": 0.5},
    "imbalance": "weights",
    "rule": "cost",
    "recall": 0.8,
    "cost": 7,
    "search": 60,
    "start": "2025-01-01",
    "end": "2025-06-01",
    "maturity": 30,
    "promote": "never",
}
SHARE = {"minimum": 0, "maximum": 1, "without_minimum": True, "without_maximum": False}


def read(address: str) -> Choices:
    return Choices.read(dict(part.split("=") for part in address.removeprefix("?").split("&") if part))


def test_what_is_chosen_is_read_again_from_the_address() -> None:
    found = read(search(CHOSEN)).model_dump(include=set(CHOSEN))
    assert found == CHOSEN | {"without": ("dooring", "hour"), "start": date(2025, 1, 1), "end": date(2025, 6, 1)}
    assert search(Choices().model_dump(mode="json")) == ""


@given(st.dictionaries(st.sampled_from([*Choices.model_fields, "other"]), st.text()))
def test_any_address_can_be_read(address: dict[str, str]) -> None:
    assert Choices.read(address).target in ("injury", "injury_severe")


def test_a_wrong_choice_of_the_address_leaves_the_others() -> None:
    found = Choices.read({"tier": "tomorrow", "hyper": "max_depth:deep", "algorithm": "hist", "cost": "nan"})
    assert found == Choices(algorithm="hist")


def test_the_request_holds_what_is_chosen_and_no_more() -> None:
    names = ["hour", "weekday", "dooring"]
    request = TrainRequest(request_id="mine", **body(CHOSEN, names))
    assert (request.features, request.cost, request.recall) == (("weekday",), 7, None)
    assert (request.hyperparameters, request.search_seconds) == (CHOSEN["hyper"], 60)
    plain = {**CHOSEN, "without": [], "hyper": {}, "rule": "f1", "search": "", "start": None, "end": None}
    assert body(plain, names).keys() == {"target", "tier", "algorithm", "imbalance", "maturity_days", "promote"}


@pytest.mark.parametrize(("value", "fits"), [(0, False), (0.001, True), (1, True), (1.1, False), ("", False)])
def test_a_number_out_of_its_range_is_named(value: Any, fits: bool) -> None:
    said = wrong(value, SHARE)
    assert (said is None) is fits
    assert fits or within(SHARE) in (said or "")


def test_bounds_of_the_form_are_those_of_the_request() -> None:
    properties = TrainRequest.model_json_schema()["properties"]
    for name, each in NUMBERS.items():
        schema = properties[each.field]
        (bounds,) = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
        assert bounds.get("exclusiveMinimum" if each.without_low else "minimum") == each.low, name
        assert bounds["maximum"] == each.high, name
        assert out_of_bounds(name, each.high + 1) and not out_of_bounds(name, "")  # noqa: PT018  one fact


def test_the_newest_model_is_shown_beside_what_serves_or_served() -> None:
    def version(name: str, serving: bool = False) -> dict[str, Any]:
        return {"version": name, "target": "injury", "serving": serving}

    promoted = [{"version": "c", "before": "a"}, {"version": "a", "before": None}]
    other = {"version": "z", "target": "injury_severe", "serving": True}
    assert default_pair([other, version("c"), version("b", serving=True)], "injury", promoted) == ("c", "b")
    # The newest serves: it is shown beside the one that it took over from.
    assert default_pair([version("c", serving=True), version("b"), version("a")], "injury", promoted) == ("c", "a")
    assert default_pair([version("c", serving=True)], "injury", promoted) == ("c", None)
    assert default_pair([other], "injury", []) == (None, None)


def test_intervals_that_overlap_tell_no_difference() -> None:
    low, high = {"value": 0.2, "low": 0.1, "high": 0.3}, {"value": 0.5, "low": 0.4, "high": 0.6}
    assert apart("roc_auc", high, low) == "better"
    assert apart("brier", high, low) == "worse"
    assert apart("roc_auc", high, {"value": 0.55, "low": 0.45, "high": 0.7}) == "no clear difference"


@pytest.mark.parametrize(
    ("promote", "promoted", "verdict", "words"),
    [
        ("if-better", True, "better", "It serves now: it is better"),
        ("if-better", False, "worse", "It does not serve: it is worse"),
        ("if-better", False, "no clear difference", "It does not serve: there is no clear difference"),
        ("if-better", True, None, "nothing that it could be compared with"),
        ("always", True, "worse", "in any case"),
        ("never", False, "better", "only to be kept"),
    ],
)
def test_how_a_training_ended_says_whether_it_serves_and_why(
    promote: str, promoted: bool, verdict: str | None, words: str
) -> None:
    difference = {"difference": {"value": 0.01, "low": 0.002, "high": 0.02}}
    compared = {"verdict": verdict, "metrics": {"roc_auc": difference}} if verdict else None
    told = {"state": "finished", "promoted": promoted, "comparison": compared, "request": {"promote": promote}}
    assert words in ended(told)
