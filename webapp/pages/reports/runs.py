"""Runs: everything that was ever asked for, filtered and paged."""

from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import Dash, Input, Output, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.days import chosen, days
from webapp.components.empty import empty
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.text import NOTHING, plural, span
from webapp.pages.reports.words import run_link, search, state, took, waiting, when

PER_PAGE: Final = 25
STATUSES: Final = ("running", "complete", "failed")
COLUMNS: Final = {
    "run": "Run",
    "state": "State",
    "asked": "Asked for",
    "took": "Took",
    "days": "Crash dates",
    "rows": "Rows",
    "changed": "Crashes changed",
}


async def layout(_: Ask, choices: dict[str, str]) -> Component:
    """The filters of the address, above the table that they make."""
    page = choices.get("page", "1")
    status, kind = choices.get("status"), choices.get("kind")
    return html.Div(
        [
            dcc.Location(id="reports-runs-url", refresh=False),
            html.Div(
                [
                    dmc.Select(
                        id="reports-runs-kind",
                        label="Kind",
                        placeholder="All kinds",
                        data=[kind] if kind else [],
                        value=kind,
                        clearable=True,
                        w=200,
                    ),
                    dmc.Select(
                        id="reports-runs-status",
                        label="State",
                        placeholder="All states",
                        data=[*STATUSES],
                        value=status if status in STATUSES else None,
                        clearable=True,
                        w=160,
                    ),
                    days("reports-runs-days", choices.get("from"), choices.get("to"), label="Asked for between"),
                    dmc.Switch(
                        id="reports-runs-changed",
                        label="Leave out polls that changed nothing",
                        checked=choices.get("all") != "1",
                        size="md",
                    ),
                ],
                className="reports-controls",
            ),
            html.Div(
                [
                    html.P(id="reports-runs-count", className="reports-count", role="status"),
                    html.A("Download as CSV", id="reports-runs-csv", href="/api/reports/run-history.csv", download=""),
                ],
                className="reports-between",
            ),
            html.Div(waiting(), id="reports-runs-table", className="card reports-runs"),
            dmc.Pagination(
                id="reports-runs-page",
                total=1,
                value=int(page) if page.isdecimal() and 1 <= int(page) <= 100_000 else 1,
                withControls=False,  # arrows without a name: the numbers lead everywhere, too
                hideWithOnePage=True,
                size="lg",
                mt="md",
            ),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Ask for the page of runs that the filters leave."""

    @app.callback(
        Output("reports-runs-table", "children"),
        Output("reports-runs-count", "children"),
        Output("reports-runs-kind", "data"),
        Output("reports-runs-page", "total"),
        Output("reports-runs-page", "value"),
        Output("reports-runs-csv", "href"),
        Output("reports-runs-url", "search"),
        Input("reports-runs-kind", "value"),
        Input("reports-runs-status", "value"),
        Input("reports-runs-days", "value"),
        Input("reports-runs-changed", "checked"),
        Input("reports-runs-page", "value"),
    )
    async def show(kind: str | None, status: str | None, value: Any, changed: bool, page: int) -> tuple[Any, ...]:
        first, last = chosen(value)
        # Another choice begins at its first page; the first call of all keeps the page of the address.
        if ctx.triggered_id not in (None, "reports-runs-page") and len(ctx.triggered) == 1:
            page = 1
        filters = {"kind": kind, "status": status, "from": first, "to": last, "changed_only": str(changed).lower()}
        try:
            found = await ask.get("/api/reports/run-history", **filters, limit=PER_PAGE, offset=(page - 1) * PER_PAGE)
            pages = max(1, -(-found["total"] // PER_PAGE))
            if page > pages:  # an address of when there were more
                page = pages
                found = await ask.get(
                    "/api/reports/run-history", **filters, limit=PER_PAGE, offset=(page - 1) * PER_PAGE
                )
        except Refused as refused:
            return problem(refused), "", no_update, no_update, no_update, no_update, no_update
        given = {name: value for name, value in filters.items() if value is not None}
        return (
            _table(found["runs"]),
            plural(found["total"], "run"),
            [{"value": name, "label": f"{name} ({count:,})"} for name, count in found["kinds"].items()],
            pages,
            page,
            f"/api/reports/run-history.csv?{urlencode(given | {'limit': 1000})}",
            search(
                "runs",
                kind=kind,
                status=status,
                from_=first,
                to=last,
                all="" if changed else "1",
                page=page if page > 1 else "",
            ),
        )


def _table(runs: list[dict[str, Any]]) -> Component:
    if not runs:
        return empty("No such run", "Take a filter away, or ask for a copy on the page Data fetcher.", "fetch")
    rows = [
        {
            "run": html.Div([run_link(run["run_id"]), _error(run)]),
            "state": state(run["status"]),
            "asked": when(run["requested_at"]),
            "took": took(run),
            "days": _days(run),
            "rows": run["rows_fetched"],
            "changed": run["crashes_changed"],
        }
        for run in runs
    ]
    return table(COLUMNS, rows, label="Runs, newest first")


def _days(run: dict[str, Any]) -> str:
    if not run["start"] or not run["end"]:
        return NOTHING
    return span(date.fromisoformat(run["start"]), date.fromisoformat(run["end"]))


def _error(run: dict[str, Any]) -> Component | None:
    return html.P(run["error"], className="reports-error") if run["error"] else None
