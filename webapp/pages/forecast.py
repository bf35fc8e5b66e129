"""Forecast: what is to be expected of the next days, how sure that is, and how the methods did before."""

import asyncio
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.empty import empty
from webapp.components.figure import CATEGORIES, figure, kept
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import day, number, short_day

MEASURES: Final = {"crashes": "Crashes", "injuries": "Crashes with an injury"}
PASTS: Final = {"28": "4 weeks", "60": "60 days", "180": "6 months", "365": "1 year"}
CITY: Final = "city"
_HEIGHT: Final = 380

_METHODS: Final = {
    "model": ("Model", "A Poisson regression on weekday, season, holidays and the last weeks."),
    "seasonal-naive": ("Same weekday", "The mean of the last four complete days of the same weekday."),
    "12-month mean": ("Yearly mean", "The mean of the last 365 days, or of as many as there are."),
}
_DEVIANCE: Final = (
    "Mean Poisson deviance: how far counts were from what was expected, where missing a rare thing weighs more. "
    "The method with the least is served."
)
_COVERAGE: Final = "The share of days whose count fell into the interval. It should be about what the interval claims."


def layout(ask: Ask, measure: str = "crashes", beat: str = CITY, days: str = "60", **_: str) -> Component:
    """The frame with the choices of the address; the figures come by callback."""
    return html.Div(
        [
            dcc.Location(id="forecast-url", refresh=False),
            heading(
                "Forecast",
                "Crashes to be expected on the next 14 days, made anew every day from what Gold holds.",
            ),
            html.Div(
                [
                    html.Div(
                        [
                            html.Span("What is counted", className="forecast-label", id="forecast-measure-label"),
                            dmc.SegmentedControl(
                                id="forecast-measure",
                                data=[{"value": value, "label": label} for value, label in MEASURES.items()],
                                value=measure if measure in MEASURES else "crashes",
                                size="md",
                            ),
                        ]
                    ),
                    dmc.Select(
                        id="forecast-beat",
                        label="Where",
                        data=_beats([], beat),
                        value=beat if beat.isdecimal() and 1 <= int(beat) <= 9999 else CITY,
                        searchable=True,
                        allowDeselect=False,
                        nothingFoundMessage="No such beat",
                        size="md",
                        w=260,
                    ),
                    dmc.Select(
                        id="forecast-days",
                        label="The past beside it",
                        data=[{"value": value, "label": label} for value, label in PASTS.items()],
                        value=days if days in PASTS else "60",
                        allowDeselect=False,
                        size="md",
                        w=160,
                    ),
                ],
                className="forecast-controls",
            ),
            html.Div(_waiting(), id="forecast-figure", className="forecast-figure"),
            html.H2("How the methods did", className="forecast-tests-title"),
            html.Div(id="forecast-tests", className="card forecast-tests"),
        ],
        className="forecast",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Draw what the controls say, and keep them in the address."""

    @app.callback(
        Output("forecast-figure", "children"),
        Output("forecast-tests", "children"),
        Output("forecast-beat", "data"),
        Output("forecast-url", "search"),
        Input("forecast-measure", "value"),
        Input("forecast-beat", "value"),
        Input("forecast-days", "value"),
    )
    async def show(measure: str, beat: str, days: str) -> tuple[Any, Any, Any, str]:
        place = None if beat == CITY else beat
        search = _search(measure, beat, days)
        try:
            tests, beats = await asyncio.gather(ask.get("/api/forecast/backtests"), ask.get("/api/forecast/beats"))
        except Refused as refused:
            return problem(refused), html.P("Not known at the moment."), _beats([], beat), search
        options = _beats(beats["rows"], beat)
        if not beats["rows"]:
            return _nothing(tests["rows"]), _no_tests(), options, search
        below = _tests(tests["rows"], measure, "city" if place is None else "beat")
        try:
            ahead, past = await asyncio.gather(
                ask.get("/api/forecast", measure=measure, beat=place),
                ask.get("/api/forecast/past", measure=measure, beat=place, days=days),
            )
        except Refused as refused:
            return problem(refused), below, options, search
        shown = await asyncio.to_thread(_shown, past["rows"], ahead["rows"], measure, beat)
        return shown, below, options, search


def _search(measure: str, beat: str, days: str) -> str:
    return "?" + urlencode({"measure": measure, "beat": beat, "days": days})


def _beats(rows: list[dict[str, Any]], chosen: str) -> list[dict[str, str]]:
    """The city, and the beats of which something is forecast; the one of the address at any rate."""
    beats = {str(row["beat"]) for row in rows}
    if chosen.isdecimal() and chosen != CITY:
        beats.add(chosen)
    by_number = sorted(beats, key=int)
    return [
        {"value": CITY, "label": "The whole city"},
        *({"value": beat, "label": f"Beat {beat}"} for beat in by_number),
    ]


def _shown(past: list[dict[str, Any]], ahead: list[dict[str, Any]], measure: str, beat: str) -> list[Component]:
    query = {"measure": measure} | ({} if beat == CITY else {"beat": beat})
    return [
        _cards(ahead, measure),
        html.Section(
            [
                _chart(past, ahead, measure, beat),
                html.Details(
                    [
                        html.Summary("Show the figures"),
                        _figures(ahead, MEASURES[measure]),
                    ],
                    className="figures",
                ),
                html.P(
                    [
                        html.A("CSV of the forecast", href=f"/api/forecast.csv?{urlencode(query)}"),
                        html.A("CSV of the past", href=f"/api/forecast/past.csv?{urlencode({**query, 'days': 365})}"),
                        html.A("CSV of all beats", href=f"/api/forecast.csv?{urlencode({**query, 'beat': 'all'})}"),
                    ],
                    className="forecast-links",
                ),
            ],
            className="card",
        ),
    ]


def _cards(ahead: list[dict[str, Any]], measure: str) -> Component:
    first, week = ahead[0], ahead[:7]
    noun = "crashes" if measure == "crashes" else "with an injury"
    name, says = _METHODS[first["method"]]
    return html.Div(
        [
            _card(
                day(_date(first["day"])),
                _count(first["expected"]),
                f"{noun} · {first['low_80']:,} to {first['high_80']:,} on four such days of five",
            ),
            _card(
                "The next 7 days",
                _count(sum(row["expected"] for row in week)),
                f"{noun} · {_count(sum(row['expected'] for row in ahead))} in {len(ahead)} days",
            ),
            _card("Made by", term(name, says), f"from data through {day(_date(first['data_through']))}"),
        ],
        className="forecast-cards",
    )


def _card(title: str, value: Any, note: str) -> Component:
    return html.Div(
        [
            html.P(title, className="figure-label"),
            html.P(value, className="figure-value"),
            html.P(note, className="figure-note"),
        ],
        className="card forecast-card",
    )


def _chart(past: list[dict[str, Any]], ahead: list[dict[str, Any]], measure: str, beat: str) -> Component:
    whole = [row for row in past if row["complete"]]
    # Reports of the last days still come in: they are shown, but as what they are.
    partial = [row for row in past if not row["complete"]]
    days = [row["day"] for row in ahead]
    plot = go.Figure()
    for level, opacity in ((95, 0.16), (80, 0.3)):
        plot.add_scatter(
            x=[*days, *reversed(days)],
            y=[*(row[f"high_{level}"] for row in ahead), *(row[f"low_{level}"] for row in reversed(ahead))],
            fill="toself",
            fillcolor=f"rgba(230, 159, 0, {opacity})",
            line={"width": 0},
            name=f"{level} % interval",
            hoverinfo="skip",
        )
    counted = "%{x|%a, %b %-d}: %{y:,}<extra></extra>"
    plot.add_scatter(
        x=[row["day"] for row in whole],
        y=[row["count"] for row in whole],
        mode="lines+markers",
        line={"width": 1.5, "color": CATEGORIES[4]},
        marker={"size": 4, "color": CATEGORIES[4]},
        name="counted",
        hovertemplate=counted,
    )
    plot.add_scatter(
        x=[row["day"] for row in partial],
        y=[row["count"] for row in partial],
        mode="markers",
        marker={"size": 7, "symbol": "circle-open", "color": CATEGORIES[4]},
        name="so far: not all reported yet",
        hovertemplate="%{x|%a, %b %-d}: %{y:,} so far<extra></extra>",
    )
    plot.add_scatter(
        x=days,
        y=[row["expected"] for row in ahead],
        customdata=[[row["low_80"], row["high_80"], row["low_95"], row["high_95"]] for row in ahead],
        mode="lines+markers",
        line={"width": 2.5, "color": CATEGORIES[5]},
        marker={"size": 6, "symbol": "diamond", "color": CATEGORIES[5]},
        name="expected",
        hovertemplate="%{x|%a, %b %-d}: %{y:,.1f} expected<br>80 %: %{customdata[0]:,} to %{customdata[1]:,}"
        "<br>95 %: %{customdata[2]:,} to %{customdata[3]:,}<extra></extra>",
    )
    plot.update_layout(hovermode="closest", **kept(f"{measure} {beat}"))
    plot.update_xaxes(range=[(past or ahead)[0]["day"], days[-1]])
    plot.update_yaxes(rangemode="tozero")
    where = "the whole city" if beat == CITY else f"beat {beat}"
    return figure(
        plot,
        id="forecast-plot",
        label=f"Line chart of {where}: {MEASURES[measure].lower()} a day since {short_day(_date(past[0]['day']))}"
        if past
        else f"Line chart of {where}",
        height=_HEIGHT,
    )


def _figures(ahead: list[dict[str, Any]], title: str) -> Component:
    columns = {"day": "Day", "expected": "Expected", "range_80": "80 of 100 days", "range_95": "95 of 100 days"}
    rows = [
        {
            "day": day(_date(row["day"])),
            "expected": round(row["expected"], 1),
            "range_80": f"{row['low_80']:,} to {row['high_80']:,}",
            "range_95": f"{row['low_95']:,} to {row['high_95']:,}",
        }
        for row in ahead
    ]
    return table(columns, rows, label=f"{title} to be expected, by day")


def _tests(rows: list[dict[str, Any]], measure: str, level: str) -> list[Any]:
    found = [row for row in rows if (row["measure"], row["level"]) == (measure, level)]
    served = next((row for row in found if row["served"]), None)
    if served is None:
        return _no_tests()
    name = _METHODS[served["method"]][0]
    tried = f"tried from {number(served['origins'])} past evenings" if served["origins"] else "not tried yet"
    where = "for the city" if level == "city" else "over all beats"
    reason = next((row["note"] for row in found if row["method"] == "model" and row["note"]), None)
    words: list[Any] = [
        f"Each method forecast 14 days again and again as if from the past, {where}, and was compared with what came. ",
        html.Strong(f"{name} is served, {tried}."),
        *([f" The model is not: {reason}."] if reason and served["method"] != "model" else []),
    ]
    columns: dict[str, str | Component] = {
        "method": "Method",
        "deviance": term("Deviance", _DEVIANCE),
        "mae": "Off by, a day",
        "coverage_80": term("80 % held", _COVERAGE),
        "coverage_95": term("95 % held", _COVERAGE),
        "origins": "Evenings",
        "note": "Note",
    }
    told = [
        {
            "method": html.Span(
                [
                    term(*_METHODS[row["method"]]),
                    *([html.Span("served", className="state state-complete")] if row["served"] else []),
                ],
                className="forecast-method",
            ),
            **{key: row[key] for key in ("deviance", "mae", "origins", "note")},
            **{key: _share(row[key]) for key in ("coverage_80", "coverage_95")},
        }
        for row in found
    ]
    known = f"{number(served['days_known'])} complete days are known"
    through = f", through {day(_date(served['complete_through']))}." if served["complete_through"] else "."
    return [
        html.P(words, className="forecast-words"),
        table(columns, told, label="Backtests by method"),
        html.P(
            [known + through + " ", html.A("CSV of all backtests", href="/api/forecast/backtests.csv")],
            className="forecast-note",
        ),
    ]


def _no_tests() -> list[Any]:
    return [html.P("Nothing has been tried yet: the methods are compared with the first forecast.")]


def _nothing(rows: list[dict[str, Any]]) -> Component:
    """Why there is no forecast, and what makes one."""
    notes = list(dict.fromkeys(row["note"] for row in rows if row["note"]))
    missing = f" At the last try: {notes[0]}." if notes else ""
    return html.Div(
        empty(
            "There is no forecast yet",
            f"It needs seven complete days of crashes in Gold, and is made by itself within minutes of them.{missing}",
            "forecast",
        ),
        className="card",
    )


def _waiting() -> Component:
    return html.Div(
        [
            html.Div([dmc.Skeleton(h=112) for _ in range(3)], className="forecast-cards"),
            dmc.Skeleton(h=_HEIGHT + 110),
        ]
    )


def _date(text: str) -> date:
    return date.fromisoformat(text[:10])


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:,.1f}"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"
