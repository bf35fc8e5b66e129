"""What needs attention, in one place; a quiet line when nothing does."""

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from webapp.attention import Matter
from webapp.components.aria import aria


def attention(matters: Sequence[Matter] | None) -> Component:
    """The matters as a list; None leaves their place open."""
    if not matters:
        words = "Nothing needs attention" if matters is not None else "Looking for what needs attention"
        return html.P([html.Span(className="dot dot-well", **aria(hidden="true")), words], className="calm")
    return html.Ul([_line(matter) for matter in matters], className="matters")


def _line(matter: Matter) -> Component:
    words = [html.Strong(f"{matter.what}. "), f"{matter.remedy[:1].upper()}{matter.remedy[1:]}."]
    link = [" ", dcc.Link("Look", href=matter.href)] if matter.href else []
    return html.Li([html.Span(className="dot dot-ill", **aria(hidden="true")), html.Span([*words, *link])])
