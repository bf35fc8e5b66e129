"""Predict: one crash by form, the crashes of some days, or a file of crashes."""

from typing import Any, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask
from webapp.components.heading import heading
from webapp.pages.predict import crash, file, one, span

WAYS: Final = {"one": "One crash", "span": "Some days", "file": "A file"}


async def layout(ask: Ask, way: str = "one", why: str = "injury", version: str = "", **choices: str) -> Component:
    """The frame with the choices of the address; the form and every answer come by callback."""
    now, kept = crash.of_address(choices)
    panels = {
        "one": one.layout(why if why in one.TARGETS else "injury", version[:200]),
        "span": await span.layout(ask, choices, chosen=way == "span"),
        "file": file.layout(choices),
    }
    return html.Div(
        [
            dcc.Location(id="predict-url", refresh=False),
            dcc.Store(id="predict-drawn", data=now),
            dcc.Store(id="predict-unfolded", data=[]),
            dcc.Store(id="predict-kept", data=kept),
            dcc.Store(id="predict-form-of"),
            heading("Predict", "How probable an injury is: of a crash, or of many, and why."),
            dmc.Tabs(
                [
                    dmc.TabsList([dmc.TabsTab(title, value=name) for name, title in WAYS.items()]),
                    *(dmc.TabsPanel(panel, value=name, pt="md") for name, panel in panels.items()),
                ],
                id="predict-way",
                value=way if way in WAYS else "one",
            ),
        ],
        className="predict",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Those of each way, and the one that keeps all choices in the address."""
    one.callbacks(app, ask)
    span.callbacks(app, ask)
    file.callbacks(app, ask)

    @app.callback(
        Output("predict-url", "search"),
        Input("predict-way", "value"),
        Input("predict-why", "value"),
        Input("predict-version", "value"),
        Input("predict-kept", "data"),
        Input(one.VALUES, "value"),
        *(Input(name, "value") for name in (*span.CHOICES, *file.CHOICES)),
        State("predict-drawn", "data"),
    )
    async def address(way: str, why: str, version: str, kept: crash.Flat | None, values: list[Any], *rest: Any) -> Any:
        if way == "one" and not values:
            return no_update  # the form is still being drawn, of what the address says
        chosen: dict[str, Any] = {"way": way}
        if way == "one":
            chosen |= {
                "why": why,
                "version": version,
                **crash.in_address(crash.of_controls(ctx.inputs_list[4], rest[-1]), kept),
            }
        else:
            given = dict(zip((*span.CHOICES, *file.CHOICES), rest[:-1], strict=True))
            chosen |= {name: given[id] for id, name in (span if way == "span" else file).CHOICES.items()}
        return "?" + urlencode({name: value for name, value in chosen.items() if value})
