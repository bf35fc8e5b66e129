"""Crashes a day, stacked by outcome."""

from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.text import number, short_day

# From the ground up. The colours are told apart by lightness too, whatever colours an eye can see: see style.css.
OUTCOMES: Final = (
    ("no_injury", "No injury"),
    ("injury", "Injury"),
    ("severe", "Severe"),
    ("unknown", "Unknown"),
)


def outcomes(days: list[dict[str, Any]]) -> Component:
    """The chart, and the same figures as a table for whoever does not see it."""
    if not days:
        return empty("No crashes yet", "The chart appears with the first rows in Gold.", "chart")
    first, last = days[0]["day"], days[-1]["day"]
    total = sum(day[name] for day in days for name, _ in OUTCOMES)
    shown = [{"day": short_day(day["day"]), **{label: day[name] for name, label in OUTCOMES}} for day in days]
    chart = dmc.BarChart(
        h=346,
        type="stacked",
        dataKey="day",
        data=shown,
        series=[{"name": label, "color": f"var(--outcome-{name})"} for name, label in OUTCOMES],
        withLegend=True,
        legendProps={"verticalAlign": "top", "align": "left", "height": 44},
        tickLine="none",
        gridAxis="x",
        barProps={"isAnimationActive": False},
        tooltipAnimationDuration=0,
        maxBarWidth=22,
        xAxisProps={"minTickGap": 24, "interval": "preserveStartEnd"},
        yAxisProps={"width": 36, "allowDecimals": False},
    )
    summary = (
        f"Bar chart: {number(total)} crashes from {short_day(first)} to {short_day(last)}, by outcome. "
        "The same figures stand in the table below."
    )
    return html.Div(
        [
            html.Div(chart, role="img", className="chart", **aria(label=summary)),
            html.Details([html.Summary("Show the figures"), _table(days)], className="figures"),
        ]
    )


def _table(days: list[dict[str, Any]]) -> Component:
    head = html.Tr([html.Th("Day", scope="col"), *(html.Th(label, scope="col") for _, label in OUTCOMES)])
    body = [
        html.Tr([html.Th(short_day(day["day"]), scope="row"), *(html.Td(number(day[name])) for name, _ in OUTCOMES)])
        for day in reversed(days)
    ]
    return html.Div(html.Table([html.Thead(head), html.Tbody(body)]), className="figures-table", tabIndex=0)
