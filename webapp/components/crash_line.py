"""A crash in a line or two, as lists show it: when, what, where, how probable an injury was, what came of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.city_map import RISKS
from webapp.components.probability import percent
from webapp.components.text import NOTHING, clock, short_day

NO_STREET: Final = "street not known"


def crash_path(crash_id: str) -> str:
    """The address of a crash's page."""
    return f"/crash/{quote(crash_id, safe='')}"


def crash_line(crash: Mapping[str, Any], *, fresh: bool = False) -> Component:
    """The line for a row of `GET /api/map/crashes`; a `fresh` one says that it is new."""
    head = [html.Span(when(crash["crash_date"]), className="crash-when")]
    if fresh:
        head.append(html.Span("new", className="state crash-new"))
    return html.Li(
        dcc.Link(
            [
                html.Span([*head, html.Span(outcome(crash), className="crash-outcome")], className="crash-head"),
                html.Span(kind(crash["first_crash_type"]), className="crash-kind"),
                html.Span(_street(crash), className="crash-street"),
                _risk(crash),
            ],
            href=crash_path(crash["crash_record_id"]),
        ),
        className="crash-line",
    )


def when(text: str | None) -> str:
    """A time as published, such as `Nov 22, 2025, 11:40 PM`."""
    if text is None:
        return "time not known"
    at = datetime.fromisoformat(text)
    return f"{short_day(at)}, {at:%Y}, {clock(at)}"


def kind(text: str | None) -> str:
    """`REAR END` as `Rear end`."""
    return text.capitalize() if text else "Type not known"


def outcome(crash: Mapping[str, Any]) -> str:
    """What came of it, as far as it is known."""
    if crash["injury"] is None:
        return "outcome not known yet"
    if (crash["injuries_fatal"] or 0) > 0:
        return "fatal"
    if crash["injury_severe"]:
        return "severe injury"
    return "injury" if crash["injury"] else "no injury"


def _street(crash: Mapping[str, Any]) -> str:
    street = crash["street"] or NO_STREET
    return street if crash["latitude"] is not None else f"{street} (not on the map)"


def _risk(crash: Mapping[str, Any]) -> Component:
    risk = crash["risk"]
    if risk is None:
        return html.Span(["Injury ", NOTHING, " not scored yet"], className="crash-risk")
    step = sum(risk >= low for low in RISKS)
    words = f"Injury {percent(risk)}" + (", expected" if crash["risky"] else "")
    return html.Span([html.Span(className=f"crash-dot crash-dot-{step}"), words], className="crash-risk")
