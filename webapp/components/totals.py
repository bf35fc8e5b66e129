"""What is in Gold, in five figures, and how far the data reaches."""

from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from webapp.components.text import NOTHING, clock, day, number

FIGURES: Final = (
    ("crashes", "Crashes", "reported to the police"),
    ("vehicles", "Vehicles", "and other units involved"),
    ("people", "People", "on wheels and on foot"),
    ("injured", "Injured", "in the crashes above"),
    ("killed", "Killed", "in the crashes above"),
)


def totals(figures: dict[str, Any]) -> list[Component]:
    """A card a figure; an empty dict gives cards that wait for theirs."""
    return [
        dmc.Paper(
            [
                html.Dt(label, className="figure-label"),
                html.Dd(number(figures.get(name)), className="figure-value", id=f"total-{name}"),
                html.Dd(note, className="figure-note"),
            ],
            className=f"figure figure-{name}",
            withBorder=True,
        )
        for name, label, note in FIGURES
    ]


def data_through(figures: dict[str, Any]) -> list[Component]:
    """The time of the newest crash in Gold, in sight."""
    newest = figures.get("data_through")
    oldest = figures.get("data_from")
    since = f"since {day(oldest)}" if oldest else "no crash in Gold yet" if figures else NOTHING
    return [
        html.Span("Data through", className="through-label"),
        html.Strong(f"{day(newest)}, {clock(newest)}" if newest else NOTHING, className="through-value"),
        html.Span(f"{since} · Chicago time", className="through-note"),
    ]
