"""What needs attention, on one line that opens; a quiet line when nothing does."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from webapp.attention import Matter
from webapp.components.aria import aria


def attention(matters: Sequence[Matter] | None) -> Component:
    """The matters; None leaves their place open. It is one line high, so that nothing moves when there are some."""
    if not matters:
        words = "Nothing needs attention" if matters is not None else "Looking for what needs attention"
        return html.P([html.Span(className="dot dot-well", **aria(hidden="true")), words], className="calm")
    more = f" (and {len(matters) - 1} more)" if len(matters) > 1 else ""
    first: list[Any] = [
        html.Span(className="dot dot-ill", **aria(hidden="true")),
        html.Strong(f"{matters[0].what}{more}"),
    ]
    every: list[Any] = [_line(matter) for matter in matters]
    return html.Details([html.Summary(first), html.Ul(every)], className="matters")


def _line(matter: Matter) -> Component:
    words: list[Any] = [html.Strong(f"{matter.what}. "), f"{matter.remedy[:1].upper()}{matter.remedy[1:]}."]
    if matter.href:
        words += [" ", dcc.Link("Look", href=matter.href)]
    return html.Li(words)
