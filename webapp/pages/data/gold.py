"""Gold: how much it holds, a look at its tables, building it again, wiping it."""

from datetime import datetime
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.problem import problem
from webapp.components.records import records
from webapp.components.table import table
from webapp.components.text import NOTHING, clock, day, number, plural, size
from webapp.pages.data import removal
from webapp.pages.data.choices import TABLES, Choices

TICK_MS: Final = 1000
ROWS: Final = 20
FACTS: Final = ("Crashes", "Vehicles", "People", "Data through", "Months", "Size")


def layout(choices: Choices) -> list[Component]:
    """The frame."""
    return [
        dcc.Location(id="data-peek-url", refresh=False),
        dcc.Store(id="data-gold-choices", data=choices.stored()),
        dcc.Interval(id="data-rebuild-tick", interval=TICK_MS, disabled=True),
        html.Div(_facts(None), id="data-gold", className="data-gold"),
        html.Div(
            [
                html.Section(
                    [
                        html.H2("Build it again"),
                        html.P(
                            "Every month is loaded whole from Silver, and rows that no month has are taken out. "
                            "Queries and loads go on meanwhile."
                        ),
                        html.Div(id="data-rebuild-state", className="data-rebuild", role="status"),
                        dmc.Button("Rebuild Gold", id="data-rebuild", h=40),
                    ],
                    className="card stack",
                ),
                html.Section(
                    [
                        html.H2("Wipe it"),
                        html.P(
                            "Takes out crashes, vehicles, people and scores. What Silver cannot give again stays: "
                            "runs, dead letters, audits, schedules, trainings, forecasts, measurements."
                        ),
                        removal.button("Wipe Gold …", id="data-remove-open"),
                    ],
                    className="card stack",
                ),
            ],
            className="data-pair",
        ),
        html.Section(
            [
                html.H2("A look at a table"),
                dmc.Select(
                    id="data-table",
                    label="Table",
                    value=choices.table,
                    data=list(TABLES),
                    allowDeselect=False,
                    className="data-select",
                ),
                html.Div(html.P("Loading…", className="data-wait"), id="data-peek", className="data-list"),
            ],
            className="card stack",
        ),
        html.Details([html.Summary("Rows of every table"), html.Div(id="data-tables")], className="card data-every"),
        removal.layout("gold", "gold"),
    ]


def callbacks(app: Dash, ask: Ask) -> None:
    """Show how much there is, rebuild, and peek."""

    @app.callback(
        Output("data-gold", "children"),
        Output("data-tables", "children"),
        Input("data-gold-choices", "data"),
        Input("data-rebuild-state", "children"),
        Input("data-removed", "children"),
    )
    async def fill(_: Any, __: Any, ___: Any) -> Any:
        try:
            status = await ask.get("/api/gold/status")
        except Refused as refused:
            return problem(refused), None
        rows = [{"table": name, "rows": count} for name, count in status["rows"].items()]
        return _facts(status), table({"table": "Table", "rows": "Rows"}, rows, label="Rows of every table of Gold")

    @app.callback(
        Output("data-peek", "children"),
        Output("data-peek-url", "search"),
        Input("data-table", "value"),
        Input("data-removed", "children"),
        Input("data-rebuild-tick", "disabled"),
        State("data-gold-choices", "data"),
    )
    async def peek(name: str, _: Any, __: Any, stored: dict[str, Any]) -> Any:
        search = Choices.of(stored).search(table=name)
        try:
            found = await ask.get("/api/gold/peek", table=name, limit=ROWS)
        except Refused as refused:
            return problem(refused), search
        if not found["rows"]:
            return html.P(f"There is no row in {name}.", className="data-wait"), search
        columns = [column["name"] for column in found["columns"]]
        return records(columns, found["rows"], label=f"Newest rows of {name}"), search

    @app.callback(
        Output("data-rebuild-state", "children"),
        Output("data-rebuild-tick", "disabled"),
        Output("data-rebuild", "disabled"),
        Input("data-rebuild", "n_clicks"),
        Input("data-rebuild-tick", "n_intervals"),
        Input("data-gold-choices", "data"),
    )
    async def rebuild(clicks: int | None, _: int | None, __: Any) -> Any:
        try:
            if ctx.triggered_id == "data-rebuild" and clicks:
                progress = await ask.post("/api/gold/rebuild")
            else:
                progress = await ask.get("/api/gold/rebuild")
        except Refused as refused:
            return problem(refused), True, False
        running = progress["state"] == "running"
        return _progress(progress), not running, running


def _facts(status: dict[str, Any] | None) -> list[Component]:
    values = [NOTHING] * len(FACTS)
    if status:
        through = datetime.fromisoformat(status["data_through"]) if status["data_through"] else None
        values = [
            *(number(status["rows"][name]) for name in ("crashes", "vehicles", "people")),
            f"{day(through)}, {clock(through)}" if through else NOTHING,
            number(status["months"]),
            size(status["file_bytes"]),
        ]
    return [
        html.Div([html.Dt(name), html.Dd(value)], className="card data-fact")
        for name, value in zip(FACTS, values, strict=True)
    ]


def _progress(progress: dict[str, Any]) -> Any:
    months, done = progress["months"], progress["done"]
    match progress["state"]:
        case "idle":
            return html.P("It was not built again since the gold process began.", className="data-wait")
        case "running":
            bar = dmc.Progress(value=100 * done / months if months else 0, **aria(label="Months loaded"))
            return [html.P(f"{number(done)} of {plural(months, 'month')} loaded"), bar]
        case "failed":
            return html.P(["Not built: ", progress["error"]], className="notice")
        case _:
            mended = f"{plural(progress['put_in'], 'row')} put in, {number(progress['taken_out'])} taken out"
            return html.P(f"Done: {plural(months, 'month')} loaded; {mended}.")
