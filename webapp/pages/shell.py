"""What surrounds every page: the links, who is signed in, and the switch between light and dark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import dash
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask
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
    "primaryShade": {"light": 8, "dark": 7},
    "colors": {"lake": LAKE},
    "fontFamily": "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    "defaultRadius": "md",
}


@dataclass(frozen=True)
class Link:
    """A link of the menu, under the word `group`."""

    title: str
    path: str
    group: str
    icon: str


GROUPS: Final = ("", "Look", "Data", "Models", "Service")


def shell(links: Sequence[Link]) -> Component:
    """The frame that pages are shown in: links at the side, or on a phone behind one word."""
    header = html.Header(
        html.Div(
            [
                dcc.Link(
                    [html.Span(className="star", **aria(hidden="true")), "Crash Stream"],
                    href="/",
                    className="brand",
                ),
                dcc.Link("Sign in", href="/login", id="who", className="who"),
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
    menu = html.Div(
        [
            html.Button("Menu", id="menu-button", className="menu-button", **aria(expanded="false", controls="menu")),
            html.Nav([*_links(links)], id="menu", **aria(label="Pages")),
        ],
        className="menu",
    )
    frame: Component = dmc.MantineProvider(
        [
            html.A("Skip to content", href="#content", className="skip"),
            header,
            html.Div([menu, html.Main(dash.page_container, id="content", tabIndex=-1)], className="frame"),
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


def callbacks(app: Dash, ask: Ask) -> None:
    """Say whether one is signed in, and fold the menu of a phone once a page is chosen."""

    @app.callback(Output("who", "children"), Output("who", "href"), Input("_pages_location", "pathname"))
    async def who(path: str) -> tuple[str, str]:
        session = await ask.get("/api/session")
        if session["signed_in"]:
            return "Signed in", "/login"
        return "Sign in", f"/login?next={quote(path or '/')}" if path != "/login" else "/login"

    app.clientside_callback(  # type: ignore[no-untyped-call]
        """(clicks, path, expanded) =>
            dash_clientside.callback_context.triggered_id === "menu-button" && expanded === "false" ? "true" : "false"
        """,
        Output("menu-button", "aria-expanded"),
        Input("menu-button", "n_clicks"),
        Input("_pages_location", "pathname"),
        State("menu-button", "aria-expanded"),
    )


def _links(links: Sequence[Link]) -> Iterator[Component]:
    for group in GROUPS:
        found = [link for link in links if link.group == group]
        if group and found:
            yield html.P(group, className="menu-group")
        for link in found:
            icon = html.Span(className=f"icon icon-{link.icon}", **aria(hidden="true"))
            yield dmc.NavLink(label=link.title, href=link.path, leftSection=icon, active="exact")
