"""What several sections say in the same way."""

from typing import Any
from urllib.parse import urlencode

from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.progress import run_path, utc
from webapp.components.text import CHICAGO, NOTHING, clock, duration, short_day


def search(tab: str, **choices: Any) -> str:
    """The query string of a section with what is chosen in it."""
    given = {name.rstrip("_"): value for name, value in choices.items() if value not in (None, "", False)}
    return "?" + urlencode({"tab": tab, **given})


def when(text: str | None) -> str:
    """A UTC time of the API on Chicago's clock: `Nov 22, 2026, 11:40 PM`."""
    at = utc(text)
    if at is None:
        return NOTHING
    local = at.astimezone(CHICAGO)
    return f"{short_day(local)}, {local:%Y}, {clock(local)}".replace(" ", "\N{NO-BREAK SPACE}")


def took(run: dict[str, Any]) -> str:
    """How long a run took, as far as it is over."""
    begun, ended = utc(run["requested_at"]), utc(run["finished_at"])
    return duration((ended - begun).total_seconds()) if begun and ended else NOTHING


def run_link(run_id: str | None) -> Any:
    """The way to a run's own page."""
    return dcc.Link(run_id, href=run_path(run_id), className="reports-run") if run_id else NOTHING


def state(name: str) -> Component:
    """A state as a badge."""
    return html.Span(name, className=f"state state-{name}")


def waiting() -> Component:
    """Stands where figures will be."""
    return html.P("Asking Gold …", className="reports-waiting")
