"""The crashes of some days: what the model says of them, and how well that fits what came."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.empty import empty
from webapp.components.evaluation import Judged, calibration, metrics
from webapp.components.figure import CATEGORIES, figure
from webapp.components.probability import percent
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.text import clock, number, short_day, span

TARGETS: Final = {"injury": "An injury", "injury_severe": "A severe injury"}
_ROWS: Final = 25

# The controls whose values are in the address, and their names there.
CHOICES: Final = {"predict-start": "start", "predict-through": "through", "predict-target": "target"}


async def layout(ask: Ask, choices: Mapping[str, str], *, chosen: bool) -> Component:
    """The choice of days and of what is predicted; the last 30 days of Gold where the address does not say.

    Where it says, and this way is `chosen`, they are predicted at once.
    """
    start, through = _day(choices.get("start")), _day(choices.get("through"))
    asked = start is not None and through is not None
    if not asked:
        through = await _newest(ask)
        start = through - timedelta(days=29) if through else None
    target = choices.get("target", "")
    return html.Div(
        [
            dcc.Store(id="predict-span-asked", data=asked and chosen),
            html.Div(
                [
                    dmc.DatePickerInput(
                        id="predict-start", label="From", value=start and f"{start}", valueFormat="MMM D, YYYY", w=180
                    ),
                    dmc.DatePickerInput(
                        id="predict-through",
                        label="Through",
                        value=through and f"{through}",
                        valueFormat="MMM D, YYYY",
                        w=180,
                    ),
                    target_select("predict-target", target),
                    dmc.Button("Predict", id="predict-span-run"),
                ],
                className="predict-tools",
            ),
            html.P(
                "All crashes of these days in Gold are predicted anew; some 10,000 take a second or two.",
                className="predict-hint",
            ),
            html.Div(
                [dmc.Loader(size="sm"), "Reading and scoring the crashes of these days …"],
                id="predict-span-busy",
                className="predict-busy",
                hidden=True,
                role="status",
            ),
            html.Div(
                empty("Nothing predicted yet", "Choose days, and press Predict.", "chart"),
                id="predict-span-result",
                className="predict-batch",
            ),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Predict on the press of the button, or when the address says which days."""

    @app.callback(
        Output("predict-span-result", "children"),
        Input("predict-span-run", "n_clicks"),
        State("predict-start", "value"),
        State("predict-through", "value"),
        State("predict-target", "value"),
        State("predict-span-asked", "data"),
        running=[
            (Output("predict-span-run", "loading"), True, False),
            (Output("predict-span-busy", "hidden"), False, True),
        ],
    )
    async def predict(_: int | None, start: str | None, through: str | None, target: str, asked: bool) -> Any:
        if ctx.triggered_id is None and not asked:
            return no_update
        first, last = _day(start), _day(through)
        if first is None or last is None:
            return empty("Which days?", "Choose the first and the last one.", "clock")
        asks = {"start": f"{first}", "end": f"{last + timedelta(days=1)}"}
        try:
            answer = await ask.post("/api/model/predict-from-gold", asks, target=target, limit=_ROWS)
        except Refused as refused:
            return problem(refused)
        link = "/api/model/predict-from-gold.csv?" + urlencode({**asks, "target": target})
        return _result(answer, span(first, last + timedelta(days=1)), link)


def target_select(id: str, target: str) -> Component:
    """Which outcome is predicted."""
    chosen: Component = dmc.Select(
        id=id,
        label="How probable is",
        data=[{"value": value, "label": label} for value, label in TARGETS.items()],
        value=target if target in TARGETS else "injury",
        allowDeselect=False,
        w=200,
    )
    return chosen


def version_link(version: str) -> Component:
    """The model that answered."""
    return html.P(["Answered by ", dcc.Link(version, href=f"/models/{version}"), "."], className="predict-model")


def histogram(edges: list[float], counts: list[int], threshold: float, id: str) -> Component:
    """Crashes by probability; right of the line the model says yes."""
    plot = go.Figure()
    labels = [f"{low:.0%} to {high:.0%}" for low, high in pairwise(edges)]
    plot.add_bar(
        x=[(low + high) / 2 for low, high in pairwise(edges)],
        y=counts,
        customdata=labels,
        width=(edges[1] - edges[0]) * 0.92,
        marker={
            "color": [CATEGORIES[5] if low >= threshold else CATEGORIES[4] for low in edges[:-1]],
        },
        hovertemplate="%{customdata}: %{y:,} crashes<extra></extra>",
    )
    plot.add_vline(
        x=threshold,
        line={"dash": "dash", "width": 1.5, "color": "#8a97a3"},
        annotation={
            "text": f"threshold {percent(threshold)}",
            "yref": "paper",
            "y": 0.97,
            "xanchor": "left",
            "xshift": 4,
        },
    )
    plot.update_xaxes(title="probability", tickformat=".0%", range=[0, 1])
    plot.update_yaxes(title="crashes", rangemode="tozero", tickformat=",d")
    rows = [{"from": label, "crashes": count} for label, count in zip(labels, counts, strict=True)]
    twin = table({"from": "Probability", "crashes": "Crashes"}, rows, label="Crashes by probability")
    return html.Div(
        [
            figure(
                plot, id=id, label=f"Histogram of {sum(counts):,} crashes by probability; figures in the table below"
            ),
            html.Details(
                [html.Summary("Show the figures"), html.Div(twin, className="figures-table")], className="figures"
            ),
        ]
    )


def _result(answer: dict[str, Any], days: str, link: str) -> Any:
    model, count = answer["model"], answer["crashes"]
    if not count:
        return empty("No crash on these days", "Gold has none: choose others, or ask for a copy of them.", "chart")
    known, true = answer["outcomes_known"], answer["outcomes_true"]
    called = answer["labelled_true"]
    came = f"{number(true)} · {percent(true / known)} of {number(known)} known" if known else "none is known yet"
    cards = [
        ("Crashes", number(count), days),
        ("Called by the model", number(called), f"{percent(called / count)} · from {percent(model['threshold'])} on"),
        ("Came true", number(true) if known else "–", came),
    ]
    return [
        html.Div(
            [
                html.Div(
                    [
                        html.P(title, className="figure-label"),
                        html.P(value, className="figure-value"),
                        html.P(note, className="figure-note"),
                    ],
                    className="card",
                )
                for title, value, note in cards
            ],
            className="predict-cards",
        ),
        html.Div(
            [
                html.Section(
                    [
                        html.H2("Crashes by probability"),
                        histogram(
                            answer["histogram"]["edges"],
                            answer["histogram"]["counts"],
                            model["threshold"],
                            "predict-span-plot",
                        ),
                    ],
                    className="card",
                ),
                html.Section([html.H2("How well it fits what came"), *_fit(answer)], className="card"),
            ],
            className="predict-columns",
        ),
        html.Section(
            [
                html.H2(f"The first {len(answer['rows'])} of {count:,}" if answer["truncated"] else "All of them"),
                table(
                    {
                        "when": "When",
                        "crash": "Crash",
                        "probability": "Probability",
                        "label": "Called",
                        "came": "Came true",
                    },
                    [_row(row) for row in answer["rows"]],
                    label="The first crashes with their probabilities",
                ),
                html.P(
                    html.A(
                        f"Download all {count:,} as CSV", href=link, download="predictions.csv", id="predict-span-csv"
                    ),
                    className="predict-links",
                ),
                version_link(model["version"]),
            ],
            className="card",
        ),
    ]


def _fit(answer: dict[str, Any]) -> list[Component]:
    if answer["evaluation"] is None:
        return [html.P(f"Not measured: {answer['not_evaluated']}.", className="predict-hint")]
    judged = [Judged("These crashes", answer["evaluation"])]
    note = "With 95 % intervals. The model may have learnt from some of these crashes: newer ones judge it better."
    return [
        metrics(judged),
        html.P(note, className="predict-hint"),
        html.Details([html.Summary("Predicted against what came"), calibration(judged, "predict-span-calibration")]),
    ]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    identity, at = row["crash_record_id"], row["crash_date"] and datetime.fromisoformat(row["crash_date"])
    return {
        "when": f"{short_day(at)}, {clock(at)}" if at else None,
        "crash": dcc.Link(f"{identity[:10]}…", href=f"/crash/{identity}"),
        "probability": percent(row["probability"]),
        "label": row["label"],
        "came": "not known yet" if row["outcome"] is None else row["outcome"],
    }


async def _newest(ask: Ask) -> date | None:
    try:
        through = (await ask.get("/api/gold/status"))["data_through"]
    except Refused:
        return None
    return _day((through or "")[:10])


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
