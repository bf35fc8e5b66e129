"""Data management: what each layer keeps, what has become of it, and deleting it."""

from typing import Any

from dash import Dash, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask
from webapp.components.aria import aria
from webapp.components.heading import heading
from webapp.pages.data import gold, objects, removal, versions
from webapp.pages.data.choices import TABS, Choices

LEAD = "What the service keeps: pages as received, months by version, models, and the tables that are asked."


async def layout(ask: Ask, **given: str) -> Component:
    """The frame of the chosen layer; what is in it comes by callback."""
    choices = Choices.of(given)
    return html.Div(
        [
            heading("Data management", LEAD),
            html.Nav([_tab(choices, name, title) for name, title in TABS.items()], className="data-tabs", **_named()),
            html.Div(id="data-removed", role="status"),
            *_panel(choices),
        ],
        className="data",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Those of each layer, and of deleting."""
    objects.callbacks(app, ask)
    versions.callbacks(app, ask)
    gold.callbacks(app, ask)
    removal.callbacks(app, ask)


def _panel(choices: Choices) -> list[Component]:
    if choices.tab == "gold":
        return gold.layout(choices)
    if choices.tab == "silver":
        views = html.Nav(
            [
                _switch(choices, "months", "Months and versions"),
                _switch(choices, "objects", "Objects"),
            ],
            className="data-views",
            **aria(label="Views of Silver"),
        )
        return [views, *(objects.layout(choices) if choices.view == "objects" else versions.layout(choices))]
    return objects.layout(choices)


def _tab(choices: Choices, name: str, title: str) -> Component:
    icon = html.Span(className=f"icon icon-{'predict' if name == 'models' else name}", **aria(hidden="true"))
    return dcc.Link([icon, title], href=Choices(tab=name).address(), **_current(choices.tab == name))


def _switch(choices: Choices, view: str, title: str) -> Component:
    return dcc.Link(title, href=Choices(tab="silver", view=view).address(), **_current(choices.view == view))


def _current(it_is: bool) -> dict[str, Any]:
    # dcc.Link takes no ARIA attribute: the class says it to the eye, the title to the ear.
    return {"className": "current", "title": "shown below"} if it_is else {}


def _named() -> dict[str, Any]:
    return aria(label="Layers")
