"""What surrounds every page: the header with its links and the switch between light and dark."""

from collections.abc import Sequence
from typing import Final

import dash
import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria

# Lake Michigan's blue; the stars of Chicago's flag are red, and stay in the stylesheet.
LAKE: Final = [
    "#e8f4fb",
    "#d3e6f1",
    "#a5cce4",
    "#74b0d7",
    "#4d99cc",
    "#348bc6",
    "#2484c4",
    "#1671ae",
    "#06659d",
    "#00578a",
]
THEME: Final = {
    "primaryColor": "lake",
    "primaryShade": {"light": 8, "dark": 5},
    "colors": {"lake": LAKE},
    "fontFamily": "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    "defaultRadius": "md",
}


def shell(links: Sequence[tuple[str, str]]) -> Component:
    """The frame that pages are shown in; ``links`` are pairs of a title and a path."""
    header = html.Header(
        html.Div(
            [
                html.A(
                    [html.Span(className="star", **aria(hidden="true")), "Crash Stream"],
                    href="/",
                    className="brand",
                ),
                html.Nav([html.A(title, href=path) for title, path in links], **aria(label="Pages")),
                dmc.ColorSchemeToggle(
                    lightIcon=html.Span(className="icon icon-sun"),
                    darkIcon=html.Span(className="icon icon-moon"),
                    variant="subtle",
                    size="lg",
                    id="color-scheme",
                    **aria(label="Switch between light and dark"),
                ),
            ],
            className="bar",
        )
    )
    frame: Component = dmc.MantineProvider(
        [
            html.A("Skip to content", href="#content", className="skip"),
            header,
            html.Main(dash.page_container, id="content", tabIndex=-1),
            html.Footer(
                [
                    "Data: City of Chicago, ",
                    html.A("Traffic Crashes", href="https://data.cityofchicago.org/d/85ca-t3if"),
                    ". Times are Chicago's.",
                ]
            ),
        ],
        theme=THEME,
        defaultColorScheme="auto",
    )
    return frame
