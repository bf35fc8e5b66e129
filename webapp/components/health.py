"""A card a part: is it well, and what is to be done if not?"""

from collections.abc import Sequence
from typing import Final

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from monitoring.health import Check
from webapp.components.aria import aria

PARTS: Final = ("portal", "broker", "store", "worker", "gold", "trainer", "disk")


def health_cards(checks: Sequence[Check] | None) -> list[Component]:
    """The cards; None gives cards that wait for their checks."""
    if checks is None:
        return [_card(part, "checking", "", None) for part in PARTS]
    return [_card(check.part, "well" if check.ok else "ill", check.detail, check.remedy) for check in checks]


def _card(part: str, state: str, detail: str, remedy: str | None) -> Component:
    words = {"well": "well", "ill": "needs attention", "checking": "checking"}
    lines: list[Component] = [html.P(detail, className="health-detail", title=detail)]
    if remedy:
        lines.append(html.P(remedy, className="health-remedy"))
    card: Component = dmc.Paper(
        [
            html.Div(
                [
                    html.Span(className=f"dot dot-{state}", **aria(hidden="true")),
                    html.H3(part, className="health-part"),
                    html.Span(words[state], className="health-state"),
                ],
                className="health-head",
            ),
            *lines,
        ],
        className=f"health health-{state}",
        withBorder=True,
        id=f"health-{part}",
    )
    return card
