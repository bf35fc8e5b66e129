"""What stands where something did not work: what it was, and what to do next."""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from webapp.ask import Refused


def problem(refused: Refused) -> Component:
    """An error of the API, as its envelope tells it; who is not signed in is shown where to."""
    error = refused.error
    lines: list[Any] = [html.Strong(f"{error.message}. "), error.hint or ""]
    if refused.status == 401 and error.field == "Authorization":
        lines = [html.Strong("This changes something, and you are not signed in. "), _sign_in()]
    return html.Div(lines, className="notice", role="alert")


def _sign_in() -> Component:
    return dcc.Link("Sign in, then try again", href="/login", className="sign-in")
