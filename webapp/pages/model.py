"""One model: its card, how good it is, what counts most in it, and how it has fared since."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from models.drift import DRIFTED, SHIFTED
from webapp.ask import Ask, Refused
from webapp.components.empty import empty
from webapp.components.evaluation import (
    METRICS,
    Judged,
    calibration,
    confusion,
    figures,
    metrics,
    precision_recall,
    weakest,
)
from webapp.components.figure import CATEGORIES, figure
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.components.promotion import promotion, promotion_callbacks
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import moment, number

SHOWN: Final = 20  # features in the chart of importance
TRACED: Final = 6  # features in the chart of drift, beside the probability
LEAST: Final = 0.001  # of the scale, which has no 0
BANDS: Final = {
    "stable": f"Below {SHIFTED}: like the crashes it was trained on.",
    "shifted": f"From {SHIFTED} to {DRIFTED}: it has moved. Look whether the season explains it.",
    "drifted": f"From {DRIFTED} on: these crashes are of another kind. Train again on newer ones.",
    "too few rows": "Chance alone could move it so far: wait for more crashes.",
}
PSI: Final = (
    "The population stability index: how far the last 30 days of crashes are from those that the model was trained on. "
    "0 is the same."
)


async def layout(ask: Ask, version: str = "", **_: str) -> Component:
    """The frame of the page; its parts come by themselves."""
    return html.Div(
        [
            dcc.Store(id="model-version", data=version),
            heading("Model", [html.Span(version, className="model-version")]),
            html.Div(id="model-facts", className="card model-facts"),
            html.Div(promotion("model"), className="model-promotion"),
            _section("How good it is", "model-evaluation", "On crashes later than all that it has learned from."),
            _section(
                "What counts most", "model-importance", "The mean size of each feature's contribution to a probability."
            ),
            _section("Do crashes still look the same?", "model-drift", [term("PSI", PSI), " of each feature by day."]),
            _section(
                "How good its scores turned out to be",
                "model-quality",
                "By month of the crash, of crashes that it has not learned; outcomes take 30 days to mature.",
            ),
            html.Section([html.Div(id="model-card", className="model-card")], className="card model-section"),
        ],
        className="model",
    )


def _section(title: str, id: str, lead: Any) -> Component:
    loading = html.P("One moment …", className="model-note")
    return html.Section(
        [html.H2(title), html.P(lead, className="model-note"), html.Div(loading, id=id, className="model-part")],
        className="card model-section",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Fill the parts of the page, each by itself."""
    promotion_callbacks(app, ask, "model")
    version = Input("model-version", "data")

    @app.callback(
        Output("model-facts", "children"), Output("model-candidate", "data"), version, Input("model-changed", "data")
    )
    async def facts(version: str, _: int) -> tuple[Any, Any]:
        try:
            described = await ask.get(f"/api/model/versions/{version}")
            promoted = (await ask.get("/api/model/promotions", target=described["target"]))["promotions"]
        except Refused as refused:
            return problem(refused), None
        serving = promoted[0]["version"] if promoted else None
        return _facts(described, promoted), {"version": version, "target": described["target"], "serving": serving}

    @app.callback(Output("model-evaluation", "children"), version)
    async def evaluation(version: str) -> Any:
        try:
            found = await ask.get(f"/api/model/versions/{version}/evaluation")
        except Refused as refused:
            return problem(refused)
        model = Judged("this model", found)
        return [
            metrics([model]),
            dmc.SimpleGrid(
                [
                    html.Div([html.H3("Do its probabilities hold?"), calibration([model], "model-calibration")]),
                    html.Div([html.H3("Precision and recall"), precision_recall([model], "model-pr")]),
                    html.Div([html.H3("At the threshold"), confusion(model)]),
                    html.Div([html.H3("Where it is weakest"), weakest(model)]),
                ],
                cols={"base": 1, "md": 2},
            ),
        ]

    @app.callback(Output("model-importance", "children"), version)
    async def importance(version: str) -> Any:
        try:
            found = await ask.get("/api/model/importance", version=version)
            described = await ask.get(f"/api/model/versions/{version}")
        except Refused as refused:
            return problem(refused)
        return _importance(found, {each["name"]: each for each in described["features"]})

    @app.callback(Output("model-drift", "children"), version)
    async def drift(version: str) -> Any:
        try:
            found = await ask.get("/api/model/drift", version=version, history="true")
        except Refused as refused:
            return problem(refused)
        if not found["rows"]:
            return empty("Not measured yet", "A model that serves is measured every hour.", "clock")
        return _drift(found["rows"])

    @app.callback(Output("model-quality", "children"), version)
    async def quality(version: str) -> Any:
        try:
            found = await ask.get("/api/model/quality", version=version)
        except Refused as refused:
            return problem(refused)
        if not found["rows"]:
            return empty("Nothing to say yet", "The first month appears once its outcomes are 30 days old.", "clock")
        return _quality(found["rows"])

    @app.callback(Output("model-card", "children"), version)
    async def card(version: str) -> Any:
        try:
            text = (await ask.request("GET", f"/api/model/versions/{version}/card")).text
        except Refused as refused:
            return problem(refused)
        # The page has a title of its own: the card's come one level below it.
        return dcc.Markdown(re.sub(r"^#", "##", text, flags=re.MULTILINE), link_target="_self")


def _facts(described: Mapping[str, Any], promoted: Sequence[Mapping[str, Any]]) -> Component:
    origin = described["origin"]
    serves = bool(promoted) and promoted[0]["version"] == described["version"]
    since = next((each for each in promoted if each["version"] == described["version"]), None)
    words = f"by {since['by']}" if since else "never promoted"
    facts = {
        "Serves": html.Strong("● yes") if serves else "no",
        "Promoted": f"{moment(datetime.fromisoformat(since['at']))}, {words}" if since else words,
        "Target": described["target"],
        "Tier": described["tier"],
        "Algorithm": described["algorithm"],
        "Threshold": f"{described['threshold']:.4f}",
        "Learned from": f"{described['data_from'][:10]} to {described['data_through'][:10]}",
        "Crashes": ", ".join(f"{number(count)} {part}" for part, count in origin["rows"].items()) or "not told",
        "Features": number(len(described["features"])),
        METRICS["roc_auc"][0]: f"{described['metrics']['roc_auc']['value']:.3f}",
    }
    compare = dcc.Link(
        "Compare it with another", href=f"/train?target={described['target']}&version={described['version']}"
    )
    return html.Div(
        [html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in facts.items()]), compare],
    )


def _importance(found: Mapping[str, Any], features: Mapping[str, Mapping[str, Any]]) -> Component:
    shown = found["features"][:SHOWN][::-1]
    plot = go.Figure(
        go.Bar(
            x=[each["importance"] for each in shown],
            y=[each["feature"] for each in shown],
            orientation="h",
            marker={"color": CATEGORIES[0]},
            customdata=[features[each["feature"]]["meaning"] for each in shown],
            hovertemplate="%{y}: %{x:.3f}<br>%{customdata}<extra></extra>",
        )
    )
    plot.update_xaxes(title="mean size of its contribution, log-odds")
    rows = [
        {
            "feature": each["feature"],
            "importance": f"{each['importance']:.4f}",
            "share": f"{each['share']:.1%}",
            "tier": features[each["feature"]]["tier"],
            "meaning": features[each["feature"]]["meaning"],
        }
        for each in found["features"]
    ]
    columns = {
        **{"feature": "Feature", "importance": "Importance", "share": "Share"},
        **{"tier": "Tier", "meaning": "Meaning"},
    }
    label = f"Bar chart: the {len(shown)} features that count most. The table below has all of them."
    return html.Div(
        [
            figure(plot, id="model-importance-plot", label=label, height=90 + 22 * len(shown)),
            html.P(f"Measured on {number(found['crashes'])} crashes of Gold.", className="model-note"),
            figures(columns, rows, "Features by importance"),
        ]
    )


def _drift(rows: Sequence[Mapping[str, Any]]) -> Component:
    """Lines by day of what moved farthest, and of the probability; then all of the last measurement."""
    newest = max(row["data_through"] for row in rows)
    last = [row for row in rows if row["data_through"] == newest]
    names = [row["feature"] for row in last if row["feature"] != "probability"][:TRACED]
    plot = go.Figure()
    for place, name in enumerate(["probability", *names]):
        points = sorted((row["data_through"][:10], max(row["psi"], LEAST)) for row in rows if row["feature"] == name)
        plot.add_scatter(
            x=[day for day, _ in points],
            y=[psi for _, psi in points],
            mode="lines+markers",
            name=name,
            line={"color": CATEGORIES[place], "width": 3 if name == "probability" else 1.5},
            marker={"symbol": place},
            hovertemplate="%{y:.3f} in the 30 days to %{x}<extra>" + name + "</extra>",
        )
    for at, word in ((SHIFTED, "shifted"), (DRIFTED, "drifted")):
        plot.add_hline(y=at, line={"dash": "dot", "color": "#8a97a3", "width": 1}, annotation_text=f"{word} from {at}")
    days = sorted({row["data_through"][:10] for row in rows})
    plot.update_xaxes(type="category", categoryorder="array", categoryarray=days)
    # Most features hardly move, and one may move a hundred times as far.
    plot.update_yaxes(title="PSI", type="log", dtick=1)
    counts = {band: sum(row["band"] == band for row in last) for band in BANDS}
    shown = [
        {
            "feature": row["feature"],
            "psi": f"{row['psi']:.3f}",
            "band": html.Span(row["band"], className=f"model-band model-band-{row['band'].split()[0]}"),
        }
        for row in last
    ]
    label = "Line chart: the stability index by day, of the probability and what moved farthest. Figures are below."
    return html.Div(
        [
            html.Ul(
                [
                    html.Li(
                        [term(band, BANDS[band]), f" {count}"], className=f"model-band model-band-{band.split()[0]}"
                    )
                    for band, count in counts.items()
                ],
                className="model-bands",
            ),
            html.P(
                f"{number(last[0]['rows'])} crashes of {last[0]['data_from'][:10]} to {newest[:10]}.",
                className="model-note",
            ),
            figure(plot, id="model-drift-plot", label=label),
            figures({"feature": "Feature", "psi": "PSI", "band": "Band"}, shown, "The last measurement of drift"),
        ]
    )


def _quality(rows: Sequence[Mapping[str, Any]]) -> Component:
    months = sorted(rows, key=lambda row: row["month"])
    plot = go.Figure()
    for place, (name, title) in enumerate((("predicted", "predicted"), ("base_rate", "came true"))):
        plot.add_scatter(
            x=[row["month"] for row in months],
            y=[row[name] for row in months],
            mode="lines+markers",
            name=title,
            line={"color": CATEGORIES[place], "dash": ("solid", "dash")[place]},
            marker={"symbol": ("circle", "diamond")[place], "size": 8},
        )
    plot.update_xaxes(type="category")
    plot.update_yaxes(title="share of crashes", tickformat=".1%", rangemode="tozero")
    columns = {
        **{"month": "Month", "rows": "Crashes", "predicted": "Predicted", "base_rate": "Came true"},
        **{"roc_auc": "ROC-AUC", "brier": "Brier score", "ece": "Calibration error"},
    }
    shown = [
        {
            **row,
            **{name: f"{row[name]:.1%}" for name in ("predicted", "base_rate")},
            **{name: f"{row[name]:.3f}" if row[name] is not None else None for name in ("roc_auc", "brier", "ece")},
        }
        for row in reversed(months)
    ]
    label = "Line chart: predicted and observed share by month. The table below has the figures."
    return html.Div(
        [
            figure(plot, id="model-quality-plot", label=label, height=260),
            table(columns, shown, label="Quality of the scores by month"),
        ]
    )
