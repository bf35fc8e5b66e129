"""How good models are on crashes they had not seen: one, or two side by side.

A model is its title and its evaluation, as `GET /api/model/versions/{version}/evaluation` gives it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from models.evaluate import LOWER_IS_BETTER, SMALL_OF_CLASS, SMALL_ROWS, MetricName
from webapp.components.figure import CATEGORIES, figure
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import NOTHING, number

METRICS: Final[Mapping[MetricName, tuple[str, str]]] = {
    "roc_auc": (
        "ROC-AUC",
        "How often a crash with the outcome has the higher probability of two: 0.5 is luck, 1 is perfect.",
    ),
    "pr_auc": ("PR-AUC", "Precision averaged over all recalls. Luck has the base rate."),
    "pr_auc_lift": ("PR-AUC over base rate", "How many times better than luck: PR-AUC divided by the base rate."),
    "brier": ("Brier score", "Mean square of what was predicted less what came: 0 is perfect, lower is better."),
    "brier_skill": ("Brier skill", "How much better than always saying the base rate: 1 is perfect, 0 is no use."),
    "ece": ("Calibration error", "How far predicted shares are from what came, over ten bins. Lower is better."),
    "log_loss": ("Log loss", "How surprised the model is by what came: lower is better. A sure error costs much."),
    "f1": ("F1", "Harmonic mean of precision and recall, at the threshold."),
    "precision": ("Precision", "Of the crashes called at the threshold, the share in which it came true."),
    "recall": ("Recall", "Of the crashes in which it came true, the share called at the threshold."),
}
_WORST: Final = 8
_SIGNS: Final = {"better": "▲", "worse": "▼", "no clear difference": "≈"}
_DASHES: Final = ("solid", "dash")
_SYMBOLS: Final = ("circle", "diamond")


class Judged(NamedTuple):
    """A model, by what it is called on the page."""

    title: str
    evaluation: Mapping[str, Any]


def same_rows(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two evaluations are, by all they say, of the same crashes."""
    return [(month["name"], month["rows"], month["positives"]) for month in one["by_month"]] == [
        (month["name"], month["rows"], month["positives"]) for month in other["by_month"]
    ]


def apart(name: MetricName, one: Mapping[str, float], other: Mapping[str, float]) -> str:
    """What two intervals, each on its own, say of a metric: a verdict only where they do not overlap."""
    if one["low"] <= other["high"] and other["low"] <= one["high"]:
        return "no clear difference"
    return "better" if (one["value"] > other["value"]) is not (name in LOWER_IS_BETTER) else "worse"


def metrics(models: Sequence[Judged], comparison: Mapping[str, Any] | None = None) -> Component:
    """Every metric with its 95 % interval; of two models also the difference, where `comparison` has it."""
    columns = {"metric": "Metric", **{str(place): model.title for place, model in enumerate(models)}}
    if len(models) > 1:
        columns |= ({"difference": "Difference"} if comparison else {}) | {"verdict": f"{models[0].title} is"}
    rows = []
    for name, (label, meaning) in METRICS.items():
        found = [model.evaluation["metrics"][name] for model in models]
        row: dict[str, Any] = {"metric": term(label, meaning)}
        row |= {str(place): interval(metric) for place, metric in enumerate(found)}
        if comparison:
            compared = comparison["metrics"].get(name)
            row["difference"] = interval(compared["difference"], sign="+") if compared else "not compared"
            row["verdict"] = verdict(compared["verdict"]) if compared else ""
        elif len(models) > 1:
            row["verdict"] = verdict(apart(name, *found))
        rows.append(row)
    return table(columns, rows, label="Metrics with their 95 % intervals")


def interval(metric: Mapping[str, float], sign: str = "") -> Component:
    """A value, and its interval in small."""
    low, high = metric["low"], metric["high"]
    return html.Span(
        [f"{metric['value']:{sign}.3f} ", html.Small(f"{low:{sign}.3f} to {high:{sign}.3f}")], className="interval"
    )


def verdict(word: str) -> Component:
    """Better, worse, or no clear difference: by a sign and the word, not by colour alone."""
    return html.Span(f"{_SIGNS[word]} {word}", className=f"verdict verdict-{word.split()[0]}")


def calibration(models: Sequence[Judged], id: str) -> Component:
    """What was predicted against what came, in bins of equal mass; on the diagonal probabilities are true."""
    plot = go.Figure()
    most = max(max(held["high"], held["predicted"]) for model in models for held in model.evaluation["reliability"])
    plot.add_scatter(
        x=[0, most], y=[0, most], mode="lines", line={"dash": "dot", "color": "#8a97a3"}, name="true", hoverinfo="skip"
    )
    for place, (title, evaluation) in enumerate(models):
        bins = evaluation["reliability"]
        plot.add_scatter(
            x=[held["predicted"] for held in bins],
            y=[held["observed"] for held in bins],
            error_y={
                "array": [held["high"] - held["observed"] for held in bins],
                "arrayminus": [held["observed"] - held["low"] for held in bins],
                "thickness": 1,
                "width": 0,
            },
            mode="lines+markers",
            line={"dash": _DASHES[place], "color": CATEGORIES[place]},
            marker={"symbol": _SYMBOLS[place], "size": 7},
            name=title,
            hovertemplate="predicted %{x:.1%}, came %{y:.1%}<extra>" + title + "</extra>",
        )
    plot.update_xaxes(title="predicted", tickformat=".0%", rangemode="tozero")
    plot.update_yaxes(title="came true", tickformat=".0%", rangemode="tozero")
    rows = [
        {
            "model": title,
            "rows": held["rows"],
            "predicted": f"{held['predicted']:.1%}",
            "observed": f"{held['observed']:.1%}",
            "between": f"{held['low']:.1%} to {held['high']:.1%}",
        }
        for title, evaluation in models
        for held in evaluation["reliability"]
    ]
    columns = {
        **{"model": "Model", "rows": "Crashes", "predicted": "Predicted"},
        **{"observed": "Came true", "between": "95 % interval"},
    }
    label = "Line chart: predicted and observed share of crashes with the outcome. The table below has the figures."
    return html.Div([figure(plot, id=id, label=label), figures(columns, rows, "Calibration")])


def precision_recall(models: Sequence[Judged], id: str) -> Component:
    """Precision and recall by threshold, with the threshold chosen as a mark."""
    plot = go.Figure()
    rows = []
    for place, (title, evaluation) in enumerate(models):
        points, held = evaluation["pr_curve"], evaluation["metrics"]
        plot.add_scatter(
            x=[point["recall"] for point in points],
            y=[point["precision"] for point in points],
            customdata=[point["threshold"] for point in points],
            mode="lines",
            line={"dash": _DASHES[place], "color": CATEGORIES[place]},
            name=title,
            hovertemplate="recall %{x:.0%}, precision %{y:.0%}<br>from %{customdata:.3f} on<extra>"
            + title
            + "</extra>",
        )
        plot.add_scatter(
            x=[held["recall"]["value"]],
            y=[held["precision"]["value"]],
            mode="markers",
            marker={"symbol": _SYMBOLS[place], "size": 11, "color": CATEGORIES[place]},
            showlegend=False,
            hovertemplate=f"its threshold, {evaluation['threshold']:.3f}<extra>{title}</extra>",
        )
        rows += [
            {
                "model": title,
                "threshold": f"{point['threshold']:.3f}",
                "precision": f"{point['precision']:.1%}",
                "recall": f"{point['recall']:.1%}",
            }
            for point in points[:: max(1, len(points) // 20)]
        ]
    plot.add_hline(y=models[0].evaluation["base_rate"], line={"dash": "dot", "color": "#8a97a3", "width": 1})
    plot.update_xaxes(title="recall", tickformat=".0%", range=[0, 1.02])
    plot.update_yaxes(title="precision", tickformat=".0%", range=[0, 1.02])
    label = (
        "Line chart: precision by recall; marks stand at the thresholds, the dotted line at the base rate. "
        "The table below has the figures."
    )
    columns = {"model": "Model", "threshold": "Threshold", "precision": "Precision", "recall": "Recall"}
    return html.Div([figure(plot, id=id, label=label), figures(columns, rows, "Precision and recall")])


def confusion(model: Judged) -> Component:
    """What was called at the threshold, and what came."""
    held = model.evaluation["confusion"]
    called = held["true_positive"] + held["false_positive"]
    rows = [
        {"": "it came true", "called": held["true_positive"], "not": held["false_negative"]},
        {"": "it did not", "called": held["false_positive"], "not": held["true_negative"]},
    ]
    of, threshold = number(model.evaluation["rows"]), model.evaluation["threshold"]
    words = f"{number(called)} of {of} crashes called, from {threshold:.3f} on"
    return html.Div(
        [
            html.H4(model.title),
            html.P(words, className="evaluation-note"),
            table({"": "", "called": "Called", "not": "Not called"}, rows, label=f"Confusion matrix of {model.title}"),
        ],
        className="evaluation-part",
    )


def weakest(model: Judged) -> Component:
    """The months and groups where the model is off by most; says so where that is no more than chance."""
    parts = {"month": model.evaluation["by_month"], **model.evaluation["by_group"]}
    slices = [(kind, part) for kind, found in parts.items() for part in found]
    off = [(kind, part) for kind, part in slices if {"miscalibrated", "weak"} & set(part["flags"])]
    large = [(kind, part) for kind, part in slices if "small" not in part["flags"]]
    shown = sorted(off or large, key=lambda pair: -abs(pair[1]["gap"]["value"]) * pair[1]["rows"])[:_WORST]
    words = (
        f"{len(off)} of {len(slices)} months, beats and kinds of traffic are off by more than chance explains."
        if off
        else f"None of {len(slices)} months, beats and kinds of traffic is off by more than chance. The widest gaps:"
    )
    small = f"fewer than {SMALL_ROWS} crashes, or than {SMALL_OF_CLASS} of either class"
    rows = [
        {
            "": f"{kind} {part['name']}",
            "rows": part["rows"],
            "predicted": f"{part['predicted']:.1%}",
            "observed": f"{part['base_rate']:.1%}",
            "roc_auc": f"{part['roc_auc']['value']:.3f}" if part["roc_auc"] else NOTHING,
            "flags": ", ".join(part["flags"]) or "within chance",
        }
        for kind, part in shown
    ]
    columns = {
        **{"": "Crashes of", "rows": "Crashes", "predicted": "Predicted"},
        **{"observed": "Came true", "roc_auc": "ROC-AUC", "flags": ""},
    }
    body = (
        table(columns, rows, label=f"Where {model.title} is weakest")
        if rows
        else html.P(f"All of them are small: {small}.", className="evaluation-note")
    )
    return html.Div(
        [html.H4(model.title), html.P(words, className="evaluation-note"), body], className="evaluation-part"
    )


def figures(columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]], label: str) -> Component:
    """The figures of a chart as a table, folded."""
    shown = table(columns, list(rows), label=label)
    return html.Details(
        [html.Summary("Show the figures"), html.Div(shown, className="figures-table")], className="figures"
    )
