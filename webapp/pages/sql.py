"""SQL: any question to Gold, with its tables at hand; the answer as a table, as a chart, and as a file."""

from itertools import groupby
from typing import Any, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.components.records import records
from webapp.components.result_chart import KINDS, chart
from webapp.components.text import number

SHOWN: Final = 200
VIEWS: Final = ("table", "chart")
FETCHED: Final = 5_000
MOST: Final = 100_000
EXAMPLES: Final = {
    "Crashes and injuries by hour": """SELECT hour, count(*) AS crashes, sum(injuries_total) AS injured
FROM crashes
GROUP BY hour
ORDER BY hour""",
    "Where it is most dangerous to walk": """SELECT grid_id, count(*) AS crashes, sum(injuries_total) AS injured
FROM crashes
WHERE first_crash_type = 'PEDESTRIAN' AND grid_id IS NOT NULL
GROUP BY grid_id
ORDER BY crashes DESC
LIMIT 25""",
    "Share of crashes that injure, by lighting": """SELECT lighting_condition,
       count(injury) AS outcome_known,
       round(avg(injury::int), 3) AS injury_share
FROM crashes
GROUP BY lighting_condition
ORDER BY injury_share DESC""",
    "The riskiest of the newest crashes": """SELECT c.crash_date, c.first_crash_type, c.posted_speed_limit,
       round(s.probability, 3) AS predicted, c.injuries_total
FROM crashes c
JOIN scores s USING (crash_record_id)
WHERE s.target = 'injury'
ORDER BY c.crash_date DESC, predicted DESC
LIMIT 100""",
    "Age of drivers who crash": """SELECT age, count(*) AS drivers
FROM people
WHERE person_type = 'DRIVER' AND age BETWEEN 15 AND 100
GROUP BY age
ORDER BY age""",
    "How fast runs were": """SELECT run_id, kind, rows_fetched, crashes_changed,
       date_diff('second', requested_at, finished_at) AS seconds
FROM runs
WHERE status = 'complete'
ORDER BY requested_at DESC
LIMIT 50""",
}
FIRST: Final = next(iter(EXAMPLES.values()))


async def layout(ask: Ask, sql: str = "", view: str = "table", x: str = "", y: str = "", **_: str) -> Component:
    """The editor with the question of the address, or the first example."""
    return html.Div(
        [
            dcc.Location(id="sql-url", refresh=False),
            dcc.Store(id="sql-saved", storage_type="local", data={}),
            dcc.Store(id="sql-chosen", data={"view": view, "x": x, "y": y}),
            heading(
                "Ask Gold in SQL",
                "One SELECT in DuckDB's SQL. It reads only, and is limited in time, memory and rows.",
            ),
            html.Div(
                [
                    html.Div(
                        [
                            dmc.Textarea(
                                id="sql-text",
                                label="Question",
                                value=sql or FIRST,
                                autosize=True,
                                minRows=7,
                                maxRows=24,
                                className="sql-editor",
                            ),
                            html.Div(
                                [
                                    dmc.Button(
                                        "Ask", id="sql-run", rightSection=html.Kbd("Ctrl ⏎", className="sql-key")
                                    ),
                                    dmc.Select(
                                        id="sql-example",
                                        data=[*EXAMPLES],
                                        placeholder="Examples and saved questions",
                                        searchable=True,
                                        **aria(label="Examples and saved questions"),
                                    ),
                                    dmc.TextInput(id="sql-name", placeholder="Name", **aria(label="Name to save as")),
                                    dmc.Button("Save", id="sql-save", variant="default"),
                                ],
                                className="sql-tools",
                            ),
                            html.P(id="sql-told", className="sql-told", role="status"),
                        ],
                        className="card",
                    ),
                    html.Details(
                        [html.Summary("Tables and columns"), html.Div(await _schema(ask), className="sql-tables")],
                        className="card sql-schema",
                        open=True,
                    ),
                ],
                className="sql-top",
            ),
            html.Div(_frame(view if view in VIEWS else "table"), id="sql-answer", className="card sql-answer"),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Ask, draw, and keep questions under a name in this browser."""

    @app.callback(
        Output("sql-rows", "children"),
        Output("sql-head", "children"),
        Output("sql-result", "data"),
        Output("sql-x", "data"),
        Output("sql-y", "data"),
        Output("sql-x", "value"),
        Output("sql-y", "value"),
        Input("sql-run", "n_clicks"),
        State("sql-text", "value"),
        State("sql-chosen", "data"),
        running=[(Output("sql-run", "loading"), True, False)],
    )
    async def question(_: int | None, sql: str, chosen: dict[str, str]) -> tuple[Any, ...]:
        try:
            answer = await ask.get("/api/gold/query", sql=sql, limit=FETCHED)
        except Refused as refused:
            return "", problem(refused), None, [], [], None, None
        columns = {column["name"]: column["name"] for column in answer["columns"]}
        numbers = [name for name in columns if _numeric(answer["rows"], name)]
        x = chosen["x"] if chosen["x"] in columns else next(iter(columns), None)
        y = chosen["y"] if chosen["y"] in numbers else next((name for name in numbers if name != x), None)
        if y is None and x in numbers:  # a number alone, and something to tell it by
            x, y = next((name for name in columns if name != x), x), x
        return (
            records([*columns], answer["rows"][:SHOWN], label="Answer"),
            _head(answer, sql),
            answer,
            [*columns],
            numbers,
            x,
            y,
        )

    @app.callback(
        Output("sql-chart", "children"),
        Input("sql-result", "data"),
        Input("sql-x", "value"),
        Input("sql-y", "value"),
        Input("sql-kind", "value"),
        prevent_initial_call=True,
    )
    def draw(answer: dict[str, Any] | None, x: str | None, y: str | None, kind: str) -> Component:
        if answer is None or not answer["rows"] or x is None or y is None:
            return empty("Nothing to draw", "A chart needs rows, and a column of numbers.", "chart")
        return chart(answer["rows"], x, y, kind)

    @app.callback(
        Output("sql-url", "search"),
        Input("sql-result", "data"),
        Input("sql-view", "value"),
        Input("sql-x", "value"),
        Input("sql-y", "value"),
        State("sql-text", "value"),
        prevent_initial_call=True,
    )
    def address(_: Any, view: str, x: str | None, y: str | None, sql: str) -> str:
        if len(sql) > 4000:  # too long for an address that people pass on
            return ""
        return "?" + urlencode({"sql": sql, "view": view, "x": x or "", "y": y or ""})

    @app.callback(
        Output("sql-text", "value"),
        Input("sql-example", "value"),
        State("sql-saved", "data"),
        prevent_initial_call=True,
    )
    def choose(name: str | None, saved: dict[str, str]) -> Any:
        return ({**EXAMPLES, **(saved or {})}).get(name or "", no_update)

    @app.callback(
        Output("sql-saved", "data"),
        Output("sql-told", "children"),
        Input("sql-save", "n_clicks"),
        State("sql-name", "value"),
        State("sql-text", "value"),
        State("sql-saved", "data"),
        prevent_initial_call=True,
    )
    def save(_: int | None, name: str | None, sql: str, saved: dict[str, str] | None) -> tuple[Any, str]:
        if not name or not name.strip():
            return no_update, "Give it a name first."
        return {
            **(saved or {}),
            name.strip(): sql,
        }, f"Saved as “{name.strip()}” in this browser. The address holds it, too."

    @app.callback(Output("sql-example", "data"), Input("sql-saved", "data"))
    def offer(saved: dict[str, str] | None) -> list[dict[str, Any]]:
        mine = [name for name in saved or {} if name not in EXAMPLES]
        return [{"group": "Examples", "items": [*EXAMPLES]}, *([{"group": "Saved", "items": mine}] if mine else [])]

    @app.callback(
        Output("sql-text", "value", allow_duplicate=True),
        Input({"sql-table": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def look(clicks: list[int | None]) -> Any:
        if not any(clicks) or not isinstance(ctx.triggered_id, dict):
            return no_update
        return f"SELECT *\nFROM {ctx.triggered_id['sql-table']}\nLIMIT 100"


def _frame(view: str) -> list[Component]:
    return [
        dcc.Store(id="sql-result"),
        html.Div(id="sql-head", className="sql-head"),
        dmc.Tabs(
            [
                dmc.TabsList([dmc.TabsTab("Table", value="table"), dmc.TabsTab("Chart", value="chart")]),
                dmc.TabsPanel(html.Div(id="sql-rows"), value="table"),
                dmc.TabsPanel(
                    [
                        html.Div(
                            [
                                dmc.Select(id="sql-x", label="Across", data=[]),
                                dmc.Select(id="sql-y", label="Up", data=[]),
                                dmc.Select(id="sql-kind", label="As", data=[*KINDS], value=KINDS[0]),
                            ],
                            className="sql-axes",
                        ),
                        html.Div(id="sql-chart", className="sql-chart"),
                    ],
                    value="chart",
                ),
            ],
            id="sql-view",
            value=view,
            keepMounted=True,
        ),
    ]


async def _schema(ask: Ask) -> list[Component]:
    try:
        columns = (await ask.get("/api/gold/schema"))["rows"]
    except Refused as refused:
        return [problem(refused)]
    return [
        html.Details(
            [
                html.Summary(name),
                html.Button("show rows", id={"sql-table": name}, className="sql-look"),
                html.Ul([html.Li([html.Code(c["column"]), html.Span(_type(c["type"]))]) for c in group]),
            ],
            className="sql-table",
        )
        for name, group in groupby(columns, key=lambda column: column["table"])
    ]


def _head(answer: dict[str, Any], sql: str) -> list[Any]:
    rows = len(answer["rows"])
    more = " or more" if answer["truncated"] else ""
    shown = f", the first {SHOWN} shown" if rows > SHOWN else ""
    links = [
        html.A(
            name, href=f"/api/gold/query.{suffix}?{urlencode({'sql': sql, 'limit': MOST})}", download=f"answer.{suffix}"
        )
        for name, suffix in (("CSV", "csv"), ("Parquet", "parquet"), ("JSON", "json"))
    ]
    return [
        html.Span(f"{number(rows)}{more} rows{shown}"),
        html.Span(["Download all of it: ", *links], className="links"),
    ]


def _numeric(rows: list[dict[str, Any]], name: str) -> bool:
    values = [row[name] for row in rows if row[name] is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _type(duckdb: str) -> str:
    return duckdb if len(duckdb) < 30 else duckdb.split("(")[0]
