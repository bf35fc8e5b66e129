"""Buttons that change which model serves; each asks first."""

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.done import done
from webapp.components.problem import problem


def promotion(page: str) -> Component:
    """The buttons and the question behind them. The page says which model by the store `{page}-candidate`.

    That holds `{version, target, serving}`: the model in question, its target, and what serves for that now. What
    was changed is counted by the store `{page}-changed`.
    """
    return html.Div(
        [
            dcc.Store(id=f"{page}-candidate"),
            dcc.Store(id=f"{page}-changed", data=0),
            dcc.Store(id=f"{page}-asked"),
            html.Div(
                [
                    dmc.Button("Let it serve", id=f"{page}-promote", disabled=True),
                    dmc.Button("Roll back", id=f"{page}-rollback", variant="default", disabled=True),
                ],
                className="promotion-buttons",
            ),
            dmc.Modal(
                [
                    html.P(id=f"{page}-question"),
                    html.Div(
                        [
                            dmc.Button("Yes, do it", id=f"{page}-yes"),
                            dmc.Button("No", id=f"{page}-no", variant="default"),
                        ],
                        className="promotion-buttons",
                    ),
                ],
                id=f"{page}-confirm",
                title="Change what serves?",
                opened=False,
            ),
            html.Div(id=f"{page}-promoted", role="status"),
        ],
        className="promotion",
    )


def promotion_callbacks(app: Dash, ask: Ask, page: str) -> None:
    """Ask, then do it, then say what came of it."""

    @app.callback(
        Output(f"{page}-promote", "disabled"),
        Output(f"{page}-rollback", "disabled"),
        Input(f"{page}-candidate", "data"),
    )
    async def enable(candidate: dict[str, Any] | None) -> tuple[bool, bool]:
        if not candidate:
            return True, True
        return candidate["version"] == candidate["serving"], candidate["serving"] is None

    @app.callback(
        Output(f"{page}-confirm", "opened"),
        Output(f"{page}-question", "children"),
        Output(f"{page}-asked", "data"),
        Input(f"{page}-promote", "n_clicks"),
        Input(f"{page}-rollback", "n_clicks"),
        State(f"{page}-candidate", "data"),
        prevent_initial_call=True,
    )
    async def question(_: int | None, __: int | None, candidate: dict[str, Any]) -> tuple[bool, Any, Any]:
        back = ctx.triggered_id == f"{page}-rollback"
        return True, (_back if back else _forth)(candidate), {"back": back, **candidate}

    @app.callback(
        Output(f"{page}-confirm", "opened", allow_duplicate=True),
        Output(f"{page}-promoted", "children"),
        Output(f"{page}-changed", "data"),
        Input(f"{page}-yes", "n_clicks"),
        Input(f"{page}-no", "n_clicks"),
        State(f"{page}-asked", "data"),
        State(f"{page}-changed", "data"),
        prevent_initial_call=True,
    )
    async def change(_: int | None, __: int | None, asked: dict[str, Any], changed: int) -> tuple[bool, Any, Any]:
        if ctx.triggered_id == f"{page}-no":
            return False, no_update, no_update
        try:
            if asked["back"]:
                promoted = await ask.post("/api/model/rollback", {"target": asked["target"]})
            else:
                promoted = await ask.post("/api/model/promote", {"version": asked["version"]})
        except Refused as refused:
            return False, problem(refused), no_update
        said = done(
            html.Strong(f"{promoted['version']} serves now. "),
            "New crashes are scored by it within seconds; history is scored again in the background.",
        )
        return False, said, changed + 1


def _forth(candidate: dict[str, Any]) -> list[Any]:
    instead = f" instead of {candidate['serving']}" if candidate["serving"] else ""
    return [
        html.Strong(candidate["version"]),
        f" is to serve for {candidate['target']}{instead}. What served before is kept, and can be rolled back to.",
    ]


def _back(candidate: dict[str, Any]) -> list[Any]:
    return [
        "The model that served before is to serve again instead of ",
        html.Strong(candidate["serving"]),
        f", for {candidate['target']}.",
    ]
