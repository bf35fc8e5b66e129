"""Two models side by side, or one where there is no other."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from models.evaluate import MetricName
from webapp.components.evaluation import (
    METRICS,
    Judged,
    apart,
    calibration,
    confusion,
    metrics,
    precision_recall,
    same_rows,
    weakest,
)
from webapp.components.text import number

# These judge the probabilities themselves; the rest depends on where the threshold was put.
_DECIDING: Final[tuple[MetricName, ...]] = ("roc_auc", "pr_auc", "brier", "log_loss")


class Shown(NamedTuple):
    """A model: as `GET /api/model/versions/{version}` describes it, and its evaluation."""

    described: Mapping[str, Any]
    evaluation: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What tells it from others on the page."""
        return short(self.described)


def short(model: Mapping[str, Any]) -> str:
    """A model in short: `lightgbm, report, 9611514d`."""
    return f"{model['algorithm']}, {model['tier']}, {model['version'].rsplit('-', 1)[-1]}"


def model_path(version: str) -> str:
    """The address of a model's page."""
    return f"/models/{version}"


def default_pair(
    versions: Sequence[Mapping[str, Any]], target: str, promoted: Sequence[Mapping[str, Any]]
) -> tuple[str | None, str | None]:
    """What to show where nobody has chosen: the newest model beside what serves, or beside what served before it.

    `versions` are those of all targets, the newest first; `promoted` those of the target, the last one first.
    """
    of_target = [each for each in versions if each["target"] == target]
    if not of_target:
        return None, None
    newest = of_target[0]["version"]
    there = {each["version"] for each in of_target} - {newest}
    serving = [each["version"] for each in of_target if each["serving"]]
    before = [each["before"] for each in promoted] + [each["version"] for each in of_target]
    return newest, next((version for version in (*serving, *before) if version in there), None)


def side_by_side(models: Sequence[Shown], serving: str | None, comparison: Mapping[str, Any] | None) -> Component:
    """Everything about one model or two; `comparison` is that of the first one's training with the second."""
    judged = [Judged(model.title, model.evaluation) for model in models]
    return html.Div(
        [
            html.P(verdict(models, serving, comparison), id="train-verdict", className="train-verdict"),
            metrics(judged, comparison),
            dmc.SimpleGrid(
                [
                    _part("Do its probabilities hold?", calibration(judged, "train-calibration")),
                    _part("Precision and recall", precision_recall(judged, "train-pr")),
                ],
                cols={"base": 1, "md": 2},
            ),
            _part(
                "At the threshold", dmc.SimpleGrid([confusion(model) for model in judged], cols={"base": 1, "md": 2})
            ),
            _part(
                "Where it is weakest", dmc.SimpleGrid([weakest(model) for model in judged], cols={"base": 1, "lg": 2})
            ),
        ]
    )


def verdict(models: Sequence[Shown], serving: str | None, comparison: Mapping[str, Any] | None) -> list[Any]:
    """Which is better, how one knows, and which serves: in plain words."""
    first = models[0]
    if len(models) == 1:
        rows = f"Judged on {number(first.evaluation['rows'])} crashes. There is no other model of its target yet."
        return [html.Strong(first.title), f" {_serves(first, serving)}. {rows}"]
    second = models[1]
    found = comparison["verdict"] if comparison else _verdict(first.evaluation, second.evaluation)
    words = {
        "better": [html.Strong(f"{first.title} is better"), f" than {second.title}"],
        "worse": [html.Strong(f"{first.title} is worse"), f" than {second.title}"],
        "no clear difference": [
            html.Strong("There is no clear difference"),
            f" between {first.title} and {second.title}",
        ],
    }[found]
    return [*words, f": {_how(first, second, comparison)} ", f"{_which(first, second, serving)}."]


def origin(described: Mapping[str, Any]) -> Component:
    """What a model is, in a line, with the way to its page."""
    return html.Span([dcc.Link(described["version"], href=model_path(described["version"]), className="train-id")])


def _how(first: Shown, second: Shown, comparison: Mapping[str, Any] | None) -> str:
    if comparison:
        auc = comparison["metrics"]["roc_auc"]["difference"]
        return (
            f"ROC-AUC {auc['value']:+.3f} ({auc['low']:+.3f} to {auc['high']:+.3f}), both judged on the same "
            f"{number(comparison['rows'])} crashes and resampled together."
        )
    names = ", ".join(METRICS[name][0] for name in _DECIDING)
    by = f"by the separate intervals of {names}."
    if same_rows(first.evaluation, second.evaluation):
        return f"{by} Both were judged on the same {number(first.evaluation['rows'])} crashes."
    return f"{by} Mind that they were judged on different crashes: {_when(first)}, and {_when(second)}."


def _when(model: Shown) -> str:
    months = [month["name"] for month in model.evaluation["by_month"]]
    return f"{number(model.evaluation['rows'])} of {months[0]} to {months[-1]}"


def _verdict(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    found = {apart(name, one["metrics"][name], other["metrics"][name]) for name in _DECIDING} - {"no clear difference"}
    return found.pop() if len(found) == 1 else "no clear difference"


def _which(first: Shown, second: Shown, serving: str | None) -> str:
    for model in (first, second):
        if model.described["version"] == serving:
            return f"{model.title} serves"
    return f"Neither serves; {serving} does" if serving else "Neither serves"


def _serves(model: Shown, serving: str | None) -> str:
    return "serves" if model.described["version"] == serving else "does not serve"


def _part(title: str, body: Component) -> Component:
    return html.Div([html.H3(title), body], className="train-result")
