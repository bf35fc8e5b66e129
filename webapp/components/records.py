"""Rows of which nobody knows the columns beforehand: every value as text."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component
from pydantic_core import to_json

from webapp.components.aria import aria
from webapp.components.text import NOTHING

LONGEST: Final = 120


def records(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, label: str) -> Component:
    """`rows` as they are, in the order of `columns`; `label` says to screen readers what the table holds.

    It is one component: a browser needs seconds for the thousands that a component a cell would be.
    """
    body = [[cell(row.get(name)) for name in columns] for row in rows]
    whole = dmc.Table(data={"head": list(columns), "body": body})
    return html.Div(whole, className="records", tabIndex=0, role="region", **aria(label=label))


def cell(value: Any) -> str:
    """A value as text, cut where it is very long."""
    if value is None:
        return NOTHING
    text = value if isinstance(value, str) else to_json(value).decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
