"""Sign in: the API token, once, for everything on the pages that changes state."""

from typing import Any, Final
from urllib.parse import urlsplit

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.session import COOKIE, SECONDS

HINT: Final = "`crash-stream up` prints it when it starts; elsewhere it is the value of CRASH_API_TOKEN."


async def layout(ask: Ask, next: str = "/", **_: str) -> Component:
    """The form, or the way out for whoever is signed in; `next` is the page to go to afterwards."""
    session = await ask.get("/api/session")
    return html.Div(
        [
            heading("Sign in", "Looking is open to everybody. Changing something needs the service's API token."),
            dcc.Store(id="login-next", data=_local(next)),
            dcc.Location(id="login-go", refresh=True),
            html.Div(_signed_in() if session["signed_in"] else _form(), className="card login"),
            html.Div(id="login-problem", role="status"),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Trade the token for a cookie, and the cookie for nothing."""

    @app.callback(
        Output("login-problem", "children"),
        Output("login-go", "href"),
        Input("login-submit", "n_clicks"),
        Input("login-token", "n_submit"),
        State("login-token", "value"),
        State("login-next", "data"),
        prevent_initial_call=True,
    )
    async def sign_in(_: int | None, __: int | None, token: str | None, then: str) -> tuple[Any, Any]:
        try:
            answer = await ask.request("POST", "/api/session", {"token": token or ""})
        except Refused as refused:
            return problem(refused), no_update
        ctx.response.set_cookie(
            COOKIE, answer.cookies[COOKIE], max_age=SECONDS, httponly=True, samesite="strict", path="/"
        )
        return None, then

    @app.callback(
        Output("login-go", "href", allow_duplicate=True), Input("login-out", "n_clicks"), prevent_initial_call=True
    )
    async def sign_out(_: int | None) -> str:
        ctx.response.set_cookie(COOKIE, "", max_age=0, httponly=True, samesite="strict", path="/")
        return "/login"


def _form() -> Component:
    return html.Div(
        [
            dmc.PasswordInput(id="login-token", label="API token", description=HINT, autoComplete="current-password"),
            dmc.Button("Sign in", id="login-submit"),
        ],
        className="stack",
    )


def _signed_in() -> Component:
    return html.Div(
        [html.P("You are signed in on this browser, for twelve hours."), dmc.Button("Sign out", id="login-out")],
        className="stack",
    )


def _local(path: str) -> str:
    """A page of ours, or home: a link must not lead to another site."""
    parts = urlsplit(path)
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc else "/"
