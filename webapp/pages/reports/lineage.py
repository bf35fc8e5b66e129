"""Lineage: what a run brought from the portal to Gold, as a picture; and a row's way back to its request."""

import asyncio
from collections import defaultdict
from typing import Any, Final
from urllib.parse import quote

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.empty import empty
from webapp.components.figure import CATEGORIES, figure
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.text import number, plural, size
from webapp.pages.reports.words import run_link, search, waiting, when

TABLES: Final = {"crashes": "crash_record_id", "vehicles": "crash_unit_id", "people": "person_id"}
# More nodes than these in a column are drawn as one a dataset, or one a year.
MOST_PAGES: Final = 18
MOST_MONTHS: Final = 18
HEIGHT: Final = 460
_TINTS: Final = dict(zip(TABLES, ("0,114,178", "230,159,0", "0,158,115"), strict=True))


async def layout(_: Ask, choices: dict[str, str]) -> Component:
    """The choices of the address: a run to draw, and a row to follow."""
    dataset, key = choices.get("table", "crashes"), choices.get("key", "")
    return html.Div(
        [
            dcc.Location(id="reports-lineage-url", refresh=False),
            html.Section(
                [
                    html.H2("A run, from the portal to Gold"),
                    dmc.Select(
                        id="reports-lineage-run",
                        label="Run",
                        data=[],
                        value=choices.get("run"),
                        searchable=True,
                        allowDeselect=False,
                        w=420,
                        maw="100%",
                    ),
                    html.Div(waiting(), id="reports-lineage-graph", className="reports-lineage-graph"),
                ],
                className="card",
            ),
            html.Section(
                [
                    html.H2("A row, back to its request"),
                    html.Div(
                        [
                            dmc.Select(
                                id="reports-lineage-table",
                                label="Table",
                                data=[*TABLES],
                                value=dataset if dataset in TABLES else "crashes",
                                allowDeselect=False,
                                w=140,
                            ),
                            dmc.TextInput(
                                id="reports-lineage-key",
                                label="Key",
                                value=key,
                                placeholder="crash_record_id, crash_unit_id or person_id",
                                className="reports-lineage-key",
                            ),
                            dmc.Button("Follow", id="reports-lineage-follow"),
                            dmc.Button("Take the newest row", id="reports-lineage-newest", variant="default"),
                        ],
                        className="reports-controls",
                    ),
                    html.Div(id="reports-lineage-trail", className="reports-trail"),
                ],
                className="card section",
            ),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Draw the run, follow the row."""

    @app.callback(
        Output("reports-lineage-run", "data"),
        Output("reports-lineage-run", "value"),
        Input("reports-lineage-run", "id"),
        State("reports-lineage-run", "value"),
    )
    async def choose(_: str, given: str | None) -> tuple[Any, Any]:
        try:
            found = (await ask.get("/api/reports/run-history", changed_only="true", limit=100))["runs"]
        except Refused:
            return no_update, no_update  # the graph says what is wrong
        names = [run["run_id"] for run in found]
        if given and given not in names:
            names.insert(0, given)
        return names, given or next((run["run_id"] for run in found if run["pages_fetched"]), None)

    @app.callback(Output("reports-lineage-graph", "children"), Input("reports-lineage-run", "value"))
    async def draw(run_id: str | None) -> Any:
        if not run_id:
            return empty("No run has brought anything yet", "Ask for a copy on the page Data fetcher.", "fetch")
        try:
            found = await ask.get(f"/api/runs/{quote(run_id)}")
        except Refused as refused:
            return problem(refused)
        return await asyncio.to_thread(_graph, found)

    @app.callback(
        Output("reports-lineage-trail", "children"),
        Output("reports-lineage-url", "search"),
        Input("reports-lineage-follow", "n_clicks"),
        Input("reports-lineage-key", "n_submit"),
        Input("reports-lineage-run", "value"),
        State("reports-lineage-table", "value"),
        State("reports-lineage-key", "value"),
    )
    async def follow(_: Any, __: Any, run: str | None, dataset: str, key: str | None) -> tuple[Any, str]:
        key = (key or "").strip()
        address = search("lineage", run=run, table=dataset if key else "", key=key)
        if not key:
            return html.P("Give a row's key to see where it came from.", className="reports-count"), address
        try:
            return _trail(await ask.get(f"/api/lineage/{dataset}/{quote(key, safe='')}")), address
        except Refused as refused:
            return problem(refused), address

    @app.callback(
        Output("reports-lineage-key", "value"),
        Output("reports-lineage-follow", "n_clicks"),
        Input("reports-lineage-newest", "n_clicks"),
        State("reports-lineage-table", "value"),
        State("reports-lineage-follow", "n_clicks"),
        prevent_initial_call=True,
    )
    async def newest(_: int | None, dataset: str, clicks: int | None) -> tuple[Any, Any]:
        try:
            rows = (await ask.get("/api/gold/peek", table=dataset, limit=1))["rows"]
        except Refused:
            return no_update, (clicks or 0) + 1
        return (str(rows[0][TABLES[dataset]]) if rows else no_update), (clicks or 0) + 1


def _graph(found: dict[str, Any]) -> Component:
    """Datasets, pages, months and Gold, joined by bands as wide as the rows that went that way."""
    pages = {page["page_id"]: page for page in found["pages"]}
    if not pages or not found["merges"]:
        return empty("Nothing to draw", "This run has brought no row, or none is merged yet.", "report")
    steps = _steps(pages, found["merges"])
    names = list(dict.fromkeys(name for source, target, _ in steps for name in (source, target)))
    places = {name: number_ for number_, name in enumerate(names)}
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for source, target, rows in steps:
        sums[source, target] += rows
    drawn = go.Figure(
        go.Sankey(
            node={
                "label": [name.split("|", 1)[1] for name in names],
                "color": [_colour(name) for name in names],
                "pad": 10,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{label}: %{value:,} rows<extra></extra>",
            },
            link={
                "source": [places[source] for source, _ in sums],
                "target": [places[target] for _, target in sums],
                "value": [*sums.values()],
                "color": [_band(source) for source, _ in sums],
                "hovertemplate": "%{source.label} → %{target.label}: %{value:,} rows<extra></extra>",
            },
            valueformat=",",
        )
    )
    words = (
        f"Flow of {plural(len(pages), 'page')} of {', '.join(sorted({page['dataset'] for page in pages.values()}))} "
        "into crash months and Gold. The same figures stand in the table below."
    )
    return html.Div(
        [
            html.Div(
                figure(drawn, id="reports-lineage-plot", label=words, height=HEIGHT), className="reports-lineage-plot"
            ),
            html.Details([html.Summary("Show the figures"), _pages(pages, found["merges"])], className="reports-twin"),
        ]
    )


def _steps(pages: dict[str, dict[str, Any]], merges: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """(from, to, rows); a node is its column, a bar, and its label."""
    many_pages = len(pages) > MOST_PAGES
    many_months = len({merge["month"] for merge in merges}) > MOST_MONTHS
    steps = []
    for merge in merges:
        page = pages.get(merge["page_id"])
        if page is None:  # tombstones of an audit come from no page
            continue
        dataset = page["dataset"]
        count = sum(one["dataset"] == dataset for one in pages.values())
        label = f"{dataset}: {plural(count, 'page')}" if many_pages else _short(page)
        month = merge["month"][:4] if many_months else merge["month"]
        loaded = "Gold" if merge["loaded_at"] else "waits for Gold"
        steps += [
            (f"portal {dataset}|{dataset}", f"page {dataset}|{label}", merge["rows"]),
            (f"page {dataset}|{label}", f"month|{month}", merge["rows"]),
            (f"month|{month}", f"gold|{loaded}", merge["rows"]),
        ]
    return [step for step in steps if step[2]]


def _short(page: dict[str, Any]) -> str:
    """A page in few words: its table, its first day and its number."""
    return f"{page['dataset']} {page['start'][:7]} #{page['number'] + 1}"


def _colour(name: str) -> str:
    column, _, label = name.partition("|")
    dataset = column.partition(" ")[2]
    if dataset:
        return f"rgb({_TINTS[dataset]})"
    return {"Gold": "#a37400", "waits for Gold": CATEGORIES[5]}.get(label, "#5f7284")


def _band(source: str) -> str:
    dataset = source.partition("|")[0].partition(" ")[2]
    return f"rgba({_TINTS.get(dataset, '120,135,150')},0.3)"


def _pages(pages: dict[str, dict[str, Any]], merges: list[dict[str, Any]]) -> Component:
    rows = [
        {
            "page": html.Code(merge["page_id"]),
            "object": html.Code(pages[merge["page_id"]]["bronze_key"]) if merge["page_id"] in pages else None,
            "bytes": size(pages[merge["page_id"]]["size"]) if merge["page_id"] in pages else None,
            "month": merge["month"],
            "version": merge["version"],
            "rows": merge["rows"],
            "changed": merge["crashes_changed"],
            "loaded": when(merge["loaded_at"]),
        }
        for merge in merges[:500]
    ]
    titles = {
        "page": "Page",
        "object": "Object in Bronze",
        "bytes": "Bytes",
        "month": "Month",
        "version": "Version in Silver",
        "rows": "Rows",
        "changed": "Crashes changed",
        "loaded": "In Gold since",
    }
    return table(titles, rows, label="Pages, months and versions of the run")


def _trail(lineage: dict[str, Any]) -> Component:
    """The way back, step by step."""
    gold, silver, bronze = lineage["gold"], lineage["silver"], lineage["bronze"]
    steps = [
        _step(
            "gold",
            "Gold",
            f"In {lineage['table']}, of the crash month {gold['month']}, at version {number(gold['version'])} of that "
            f"month since {when(gold['loaded_at'])}.",
            html.Details([html.Summary("Show the row"), _row(gold["row"])]),
        )
    ]
    if silver:
        steps.append(
            _step(
                "silver",
                "Silver",
                f"Version {number(silver['version'])} of the month; its content last changed at version "
                f"{number(silver['content'])}. The portal last changed the row at "
                f"{silver['updated_at'] or 'no known time'} (its version {silver['row_version'] or 'is not known'}).",
                html.Code(silver["key"]),
            )
        )
    if bronze:
        told = [plural(bronze["rows"], "row")] if bronze["rows"] is not None else []
        told += [size(bronze["size"])] if bronze["size"] is not None else []
        steps.append(
            _step(
                "bronze",
                "Bronze",
                f"The page as received, {', '.join(told) or 'which is not there any more'}; archived "
                f"{when(_naive(bronze['archived_at']))}.",
                html.Div([html.Code(bronze["key"]), *_sha(bronze)]),
            )
        )
    steps += [
        _step(
            "fetch",
            f"Fetched by a run ({fetched['kind'] or 'of no known kind'})",
            f"Fetched {when(_naive(fetched['fetched_at']))}, merged {when(_naive(fetched['merged_at']))}, in Gold "
            f"{when(_naive(fetched['loaded_at']))}.",
            html.Div([run_link(fetched["run_id"]), html.P(html.Code(fetched["request"]))]),
        )
        for fetched in lineage["fetched"]
    ]
    if lineage["fetched"] or bronze:
        steps.append(_step("portal", "Portal", "City of Chicago, Traffic Crashes.", None))
    ends = [html.P(f"Here the trail ends: {lineage['ends']}.", className="notice")] if lineage["ends"] else []
    return html.Div([html.Ol(steps, className="reports-steps"), *ends])


def _step(icon: str, title: str, words: str, more: Any) -> Component:
    return html.Li(
        [
            html.Span(className=f"icon icon-{icon}"),
            html.Div([html.H3(title), html.P(words), *([more] if more is not None else [])]),
        ],
        className=f"reports-step reports-step-{icon}",
    )


def _row(row: dict[str, Any]) -> Component:
    known = [{"column": html.Code(name), "value": str(value)} for name, value in row.items() if value is not None]
    return table({"column": "Column", "value": "Value"}, known, label="The row; columns without a value are left out")


def _sha(bronze: dict[str, Any]) -> list[Any]:
    return [html.P(["SHA-256 ", html.Code(bronze["sha256"])])] if bronze["sha256"] else []


def _naive(text: str | None) -> str | None:
    """This route says that its times are in UTC, where others leave that out."""
    return text.removesuffix("Z").removesuffix("+00:00") if text else None
