"""Rows of which nobody knows the columns beforehand: every value as text, cut where it is long."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import html
from dash.development.base_component import Component
from pydantic_core import to_json

from webapp.components.table import table

LONGEST: Final = 36


def records(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, label: str) -> Component:
    """`rows` as they are, in the order of `columns`; `label` says to screen readers what the table holds."""
    shown = [{name: cell(row.get(name)) for name in columns} for row in rows]
    return html.Div(table({name: name for name in columns}, shown, label=label), className="records")


def cell(value: Any) -> Any:
    """A value as text; one that is long is cut, and whole for who points at it."""
    if value is None:
        return None
    text = value if isinstance(value, str) else to_json(value).decode()
    return text if len(text) <= LONGEST else html.Span(f"{text[: LONGEST - 1]}…", title=text[:2000])
