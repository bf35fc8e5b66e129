"""A part of a form that needs somebody who is signed in."""

from typing import Any
from urllib.parse import quote

from dash import dcc, html
from dash.development.base_component import Component


def who_may(session: dict[str, Any], doing: str, path: str) -> list[Component]:
    """Nothing for who is signed in; else what is needed, said before a form is filled in. `doing` is a gerund."""
    if session["signed_in"]:
        return []
    if not session["writing"]:
        return [_notice(f"{doing} is switched off: the service was started without a token (CRASH_API_TOKEN).")]
    link = dcc.Link("Sign in", href=f"/login?next={quote(path, safe='')}", className="sign-in")
    return [_notice([f"{doing} needs you to be signed in; looking does not. ", link])]


def _notice(words: Any) -> Component:
    return html.Div(words, className="notice notice-who", role="note")
