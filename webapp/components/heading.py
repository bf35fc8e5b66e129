"""What every page begins with."""

from typing import Any

from dash import html
from dash.development.base_component import Component


def heading(title: str, lead: str | list[Any], beside: Component | None = None) -> Component:
    """The title of a page, what one can do there, and what stands beside it."""
    words = html.Div([html.H1(title), html.P(lead, className="lead")])
    return html.Div([words, *([beside] if beside is not None else [])], className="hero")
