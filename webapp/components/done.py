"""What stands where something worked."""

from typing import Any

from dash import html
from dash.development.base_component import Component


def done(*words: Any) -> Component:
    """That it worked, and where one sees what becomes of it."""
    return html.Div(list(words), className="notice notice-done", role="status")
