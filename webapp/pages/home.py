"""Home: the flow, what has passed each stage, how the parts are, and a first chart."""

import hashlib
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

from streams.errors import GoldError
from streams.settings import Settings
from webapp.attention import attention as matters
from webapp.components.aria import aria
from webapp.components.attention import attention
from webapp.components.flow import flow
from webapp.components.health import health_cards
from webapp.components.outcomes import outcomes
from webapp.components.runs import runs
from webapp.components.text import NOTHING, ago
from webapp.components.totals import data_through, totals
from webapp.snapshot import Snapshot, Snapshots

REFRESH_MS: Final = 3000
# The parts of the page that change, by the id of the element that holds them.
SECTIONS: Final = ("notice", "attention", "through", "totals", "flow", "outcomes", "health", "runs", "polled")


def layout(settings: Settings) -> Component:
    """The page with its figures still open, each in the place and the size that it will have."""
    return html.Div(
        [
            html.Div(
                [
                    html.Div(
                        [
                            html.H1("Every traffic crash in Chicago"),
                            html.P("An exact, current copy of what the city publishes.", className="lead"),
                        ]
                    ),
                    html.P(data_through({}), id="through", className="through"),
                ],
                className="hero",
            ),
            html.Div(id="notice", role="status", **aria(live="polite")),
            html.Div(attention(None), id="attention", className="attention"),
            html.Dl(totals({}), id="totals", className="totals"),
            _section("How the data flows", html.Div(flow({}, None, _host(settings)), id="flow"), "flow-section"),
            html.Div(
                [
                    _section("Crashes a day", html.Div(id="outcomes", className="outcomes"), "outcomes-section"),
                    _section(
                        "Health", html.Div(health_cards(None), id="health", className="health-grid"), "health-section"
                    ),
                ],
                className="columns",
            ),
            _section(
                "Last runs",
                [html.Div(id="runs", className="runs-list"), html.P(NOTHING, id="polled", className="polled")],
                "runs-section",
            ),
            dcc.Interval(id="tick", interval=REFRESH_MS),
            dcc.Store(id="seen", data={}),
        ],
        className="home",
    )


def callbacks(app: Dash, settings: Settings, snapshots: Snapshots) -> None:
    """Fill the page, and again every few seconds whatever has changed since."""

    @app.callback(
        *(Output(section, "children") for section in SECTIONS),
        Output("seen", "data"),
        Input("tick", "n_intervals"),
        State("seen", "data"),
    )
    async def refresh(_: int | None, seen: dict[str, str]) -> list[Any]:
        rendered = render(await snapshots.latest(), settings)
        digests = {section: _digest(children) for section, children in rendered.items()}
        # What looks the same as before is not sent: no flicker, and selections and open details stay.
        changed = [
            rendered[section] if digests.get(section, "") != seen.get(section) and section in rendered else no_update
            for section in SECTIONS
        ]
        return [*changed, seen | digests]


def render(snapshot: Snapshot, settings: Settings) -> dict[str, Any]:
    """Children by section. While Gold is away its sections are missing, and the page keeps what it shows."""
    health = {"health": health_cards(snapshot.checks)}
    view = snapshot.gold
    if isinstance(view, GoldError):
        return health | {"notice": _notice(view), "attention": attention(matters(snapshot.checks, None))}
    return health | {
        "notice": None,
        "attention": attention(matters(snapshot.checks, view.attention)),
        "through": data_through(view.totals),
        "totals": totals(view.totals),
        "flow": flow(view.flow, view.totals["crashes"], _host(settings), view.stages),
        "outcomes": outcomes(view.days),
        "runs": runs(view.runs),
        "polled": _polled(view.attention["polled_at"]),
    }


def _notice(error: GoldError) -> Component:
    what_to_do = error.hint or "start it: crash-stream gold"
    text = f"{error.message}. The figures below are as of when it last answered; {what_to_do}."
    return html.Div([html.Strong("Gold does not answer. "), text], className="notice")


def _polled(at: datetime | None) -> list[Any]:
    told = f"The portal was last asked for news {ago(at)}. " if at else "The portal was not asked for news yet. "
    return [told, dcc.Link("All runs", href="/reports?section=runs")]


def _section(title: str, children: Any, name: str) -> Component:
    return html.Section([html.H2(title, id=f"{name}-title"), html.Div(children)], className=f"section {name}")


def _host(settings: Settings) -> str:
    return urlsplit(settings.portal).netloc


def _digest(children: Any) -> str:
    text = PlotlyJSONEncoder(sort_keys=True).encode(children)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
