"""Dead letters: what could not be processed, why, and trying it once more."""

from collections import Counter
from typing import Any, Final

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.done import done
from webapp.components.empty import empty
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.text import plural
from webapp.components.who import who_may
from webapp.pages.reports.words import run_link, search, waiting, when

MOST: Final = 200
STATES: Final = {"waiting": "Not replayed yet", "replayed": "Replayed", "all": "All"}
REPLAYED: Final = {"waiting": "false", "replayed": "true", "all": None}
COLUMNS: Final = {
    "letter": "Message",
    "failed": "Failed",
    "why": "Why",
    "run": "Run",
    "replayed": "Replayed",
    "do": "",
}


async def layout(ask: Ask, choices: dict[str, str]) -> Component:
    """The choice of the address, and what is done with all letters at once."""
    state = choices.get("state", "waiting")
    return html.Div(
        [
            dcc.Location(id="reports-letters-url", refresh=False),
            *who_may(await ask.get("/api/session"), "Replaying messages", "/reports?tab=letters"),
            html.P(
                "A message that cannot be processed is put aside with its reason, and the rest goes on. Replaying "
                "publishes it again, byte for byte: do so once the reason is gone. Doing it twice harms nothing.",
                className="reports-lead",
            ),
            html.Div(
                [
                    dmc.SegmentedControl(
                        id="reports-letters-state",
                        data=[{"value": value, "label": label} for value, label in STATES.items()],
                        value=state if state in STATES else "waiting",
                        size="md",
                    ),
                    dmc.Button("Replay all that were not", id="reports-letters-all", variant="default"),
                ],
                className="reports-controls",
            ),
            html.Div(id="reports-letters-told"),
            html.Div(waiting(), id="reports-letters", className="card reports-letters"),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """List the letters, and replay one or all."""

    @app.callback(
        Output("reports-letters", "children"),
        Output("reports-letters-url", "search"),
        Input("reports-letters-state", "value"),
        Input("reports-letters-told", "children"),
    )
    async def show(state: str, _: Any) -> tuple[Any, str]:
        address = search("letters", state="" if state == "waiting" else state)
        try:
            found = await ask.get("/api/dead-letters", replayed=REPLAYED[state], limit=MOST)
        except Refused as refused:
            return problem(refused), address
        return _list(found["dead_letters"], state), address

    @app.callback(
        Output("reports-letters-told", "children"),
        Input("reports-letters-all", "n_clicks"),
        Input({"type": "reports-letters-one", "letter": ALL}, "n_clicks"),
        prevent_initial_call=True,
        running=[(Output("reports-letters-all", "loading"), True, False)],
    )
    async def replay(_: int | None, __: list[int | None]) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return no_update  # a list that is drawn anew is no click
        chosen = ctx.triggered_id
        body = {"letters": [chosen["letter"]]} if isinstance(chosen, dict) else {"all": True}
        try:
            told = await ask.post("/api/dead-letters/replay", body)
        except Refused as refused:
            return problem(refused)
        refusals = [html.P(f"{letter}: {why}") for letter, why in told["refused"].items()]
        return done(
            html.Strong(f"{plural(told['replayed'], 'message')} published again. "),
            "One that fails again comes back as a new letter.",
            *refusals,
        )


def _list(letters: list[dict[str, Any]], state: str) -> Any:
    if not letters:
        title = "No message waits" if state == "waiting" else "No dead letter"
        return empty(title, "Everything that came was processed.", "report")
    reasons = Counter((letter["stage"], letter["error"]) for letter in letters)
    head = [
        html.P([html.Strong(f"{count:,} "), f"{error} at the stage {stage}"])
        for (stage, error), count in reasons.most_common()
    ]
    rows = [
        {
            "letter": html.Div([html.Code(letter["letter"]), _message(letter)]),
            "failed": when(letter["failed_at"]),
            "why": html.Div([html.Strong(f"{letter['stage']}: {letter['error']}"), html.P(letter["message"])]),
            "run": run_link(letter["run_id"]),
            "replayed": when(letter["replayed_at"]),
            "do": dmc.Button(
                "Replay",
                id={"type": "reports-letters-one", "letter": letter["letter"]},
                variant="default",
                size="sm",
            ),
        }
        for letter in letters
    ]
    more = [html.P(f"The last {MOST}; GET /api/dead-letters lists up to 10,000.")] if len(letters) == MOST else []
    return [html.Div(head, className="reports-reasons"), table(COLUMNS, rows, label="Dead letters"), *more]


def _message(letter: dict[str, Any]) -> Component | None:
    value = letter["value"] if letter["value"] is not None else letter["value_base64"]
    if value is None:
        return None
    return html.Details([html.Summary(f"Show the message ({letter['size']:,} bytes)"), html.Pre(value, tabIndex=0)])
