"""What stands where there is nothing yet: what is missing, and what to do."""

from typing import Any

from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria


def empty(title: str, what_to_do: str | list[Any], icon: str) -> Component:
    """A quiet placeholder of the same height as what will take its place."""
    return html.Div(
        [
            html.Span(className=f"icon icon-{icon}", **aria(hidden="true")),
            html.P(title, className="empty-title"),
            html.P(what_to_do, className="empty-note"),
        ],
        className="empty",
    )
