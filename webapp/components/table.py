"""Rows as a table: numbers to the right, and what is wider than the page scrolls."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.text import NOTHING

FIGURE: Final = re.compile(r"[-+−]?[\d,]+(\.\d+)?\s?%?")


def table(columns: Mapping[str, str | Component], rows: Sequence[Mapping[str, Any]], *, label: str) -> Component:
    """`rows` with the columns named by `columns` (name in the row: title); titles and values may be components.

    `label` says to screen readers what the table holds.
    """
    head = html.Tr([html.Th(title, scope="col", className=_side(name, rows)) for name, title in columns.items()])
    body = [html.Tr([html.Td(_cell(row.get(name)), className=_side(name, rows)) for name in columns]) for row in rows]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(body)]),
        className="table",
        tabIndex=0,
        role="region",
        **aria(label=label),
    )


def _cell(value: Any) -> Any:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return value if isinstance(value, str | Component) else str(value)


def _side(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    values = [row.get(name) for row in rows[:20]]
    return "number" if any(_is_number(value) for value in values) else ""


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return FIGURE.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
