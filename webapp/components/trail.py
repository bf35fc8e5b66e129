"""From Gold back to the request that a row came with, as a chain of steps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.progress import run_path
from webapp.components.text import moment, number, size


def trail(lineage: Mapping[str, Any]) -> Component:
    """The answer of `GET /api/lineage/…`."""
    gold, silver, bronze, fetched = (lineage[name] for name in ("gold", "silver", "bronze", "fetched"))
    steps = [
        _step(
            "gold",
            "Gold",
            [f"month {gold['month']}, version {gold['version']}"],
            f"loaded {_moment(gold['loaded_at'])}",
        )
    ]
    if silver:
        stamp = f"published {_moment(silver['updated_at'])}" if silver["updated_at"] else ""
        steps.append(_step("silver", "Silver", [html.Code(silver["key"])], stamp))
    if bronze:
        note = (
            f"{number(bronze['rows'])} rows, {size(bronze['size'])}, archived {_moment(bronze['archived_at'])}"
            if bronze["archived_at"]
            else ""
        )
        steps.append(_step("bronze", "Bronze", [html.Code(bronze["key"])], note))
    for page in fetched[:3]:
        run = dcc.Link(page["run_id"], href=run_path(page["run_id"]))
        steps.append(_step("fetch", "Fetched", ["by the run ", run], _moment(page["fetched_at"])))
    if bronze and bronze["request"]:
        steps.append(_step("portal", "Portal", [html.Code(bronze["request"], className="trail-request")], "was asked"))
    ends = [html.P(f"Here the trail ends: {lineage['ends']}.")] if lineage["ends"] else []
    return html.Div([html.Ol(steps, className="trail"), *ends])


def _step(icon: str, title: str, what: list[Any], note: str) -> Component:
    return html.Li(
        [
            html.Span(className=f"icon icon-{icon}", **aria(hidden="true")),
            html.Div(
                [html.Strong(title), html.P(what, className="trail-what"), html.P(note, className="trail-note")],
                className="trail-words",
            ),
        ],
        className=f"trail-step trail-{icon}",
    )


def _moment(text: str | None) -> str:
    """A time in UTC, as Chicago's clock shows it."""
    return moment(datetime.fromisoformat(text) if text else None)
