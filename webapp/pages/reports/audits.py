"""Audits: is the copy as the portal is? A verdict by month and table, and asking for another one."""

from datetime import date, timedelta
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.days import chosen, days
from webapp.components.done import done
from webapp.components.empty import empty
from webapp.components.heat import Cell, heat
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import number, plural
from webapp.components.who import who_may
from webapp.pages.reports.words import run_link, search, state, waiting, when

MOST: Final = 50
REFRESH_MS: Final = 1500
TABLES: Final = ("crashes", "vehicles", "people")
COLUMNS: Final = {
    "verdict": "Verdict",
    "audit": "Audit",
    "asked": "Asked for",
    "months": "Months",
    "portal": "Rows at the portal",
    "differences": "Differences",
}
MEANINGS: Final = (
    ("Missing", "The portal has the row and the copy lacked it: it is being fetched."),
    ("Gone", "The copy has the row and the portal has it no more: it leaves the copy."),
    ("Moved", "The row belongs to another month now."),
)


async def layout(ask: Ask, choices: dict[str, str]) -> Component:
    """The form for a new audit, the list of the old ones, and the grid of the chosen one."""
    return html.Div(
        [
            dcc.Location(id="reports-audits-url", refresh=False),
            dcc.Store(id="reports-audit-asked"),
            dcc.Interval(id="reports-audit-tick", interval=REFRESH_MS, disabled=True),
            html.Div(
                [
                    html.Section(
                        [
                            html.H2("Audits"),
                            html.Div(waiting(), id="reports-audits-list", className="reports-audits-list"),
                        ],
                        className="card",
                    ),
                    html.Section(
                        [
                            html.H2("Compare now"),
                            *who_may(await ask.get("/api/session"), "Asking for an audit", "/reports?tab=audits"),
                            days("reports-audit-days", None, None, label="Crash dates", placeholder="The whole copy"),
                            dmc.Switch(
                                id="reports-audit-thorough",
                                label="Compare every key, not only where the counts differ",
                                size="md",
                            ),
                            dmc.Switch(
                                id="reports-audit-accept",
                                label="Believe it when the portal lacks a large share of a month",
                                size="md",
                            ),
                            dmc.Button("Start an audit", id="reports-audit-start"),
                            html.Div(id="reports-audit-told"),
                        ],
                        className="card stack reports-audit-form",
                    ),
                ],
                className="reports-columns",
            ),
            html.Section(
                [
                    html.H2("By month and table"),
                    dmc.Select(
                        id="reports-audit-choice",
                        label="Audit",
                        data=[],
                        value=choices.get("audit"),
                        searchable=True,
                        allowDeselect=False,
                        placeholder="None yet",
                        w=420,
                        maw="100%",
                    ),
                    html.Div(waiting(), id="reports-audit-grid", className="reports-audit-grid"),
                    html.P(
                        [part for word, meaning in MEANINGS for part in (term(word, meaning), " · ")][:-1],
                        className="reports-terms",
                    ),
                ],
                className="card section",
            ),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """List audits, ask for one and follow it, and draw the grid of the chosen one."""

    @app.callback(
        Output("reports-audits-list", "children"),
        Output("reports-audit-choice", "data"),
        Output("reports-audit-choice", "value"),
        Input("reports-audit-asked", "data"),
        State("reports-audit-choice", "value"),
    )
    async def audits(asked: dict[str, Any] | None, selected: str | None) -> tuple[Any, Any, Any]:
        try:
            found = (await ask.get("/api/reports/audits", limit=MOST))["audits"]
        except Refused as refused:
            return problem(refused), no_update, no_update
        names = [audit["run_id"] for audit in found]
        over = asked["run_id"] if asked and asked["over"] else None
        wanted = over if over in names else selected if selected in names else next(iter(names), None)
        labels = [
            {"value": audit["run_id"], "label": f"{when(audit['requested_at'])} · {_verdict(audit)}"} for audit in found
        ]
        return _list(found), labels, wanted

    @app.callback(
        Output("reports-audit-grid", "children"),
        Output("reports-audits-url", "search"),
        Input("reports-audit-choice", "value"),
        Input("reports-audit-asked", "data"),
    )
    async def grid(run_id: str | None, _: Any) -> tuple[Any, str]:
        address = search("audits", audit=run_id)
        if not run_id:
            return empty("No audit yet", "Start one above: it compares counts and keys by month.", "report"), address
        try:
            found = await ask.get(f"/api/audit/{run_id}")
        except Refused as refused:
            return problem(refused), address
        return _grid(found), address

    @app.callback(
        Output("reports-audit-told", "children"),
        Output("reports-audit-asked", "data"),
        Output("reports-audit-tick", "disabled"),
        Input("reports-audit-start", "n_clicks"),
        State("reports-audit-days", "value"),
        State("reports-audit-thorough", "checked"),
        State("reports-audit-accept", "checked"),
        prevent_initial_call=True,
        running=[(Output("reports-audit-start", "loading"), True, False)],
    )
    async def start(_: int | None, value: Any, thorough: bool, accept: bool) -> tuple[Any, Any, bool]:
        first, last = chosen(value)
        body: dict[str, Any] = {"thorough": bool(thorough), "accept_deletions": bool(accept)}
        if first and last:
            body |= {"start": first, "end": _day_after(last)}
        try:
            told = await ask.post("/api/audit", body)
        except Refused as refused:
            return problem(refused), no_update, True
        return _under_way(told["run_id"], None), {"run_id": told["run_id"], "over": False}, False

    @app.callback(
        Output("reports-audit-told", "children", allow_duplicate=True),
        Output("reports-audit-asked", "data", allow_duplicate=True),
        Output("reports-audit-tick", "disabled", allow_duplicate=True),
        Input("reports-audit-tick", "n_intervals"),
        State("reports-audit-asked", "data"),
        prevent_initial_call=True,
    )
    async def follow(_: int | None, asked: dict[str, Any]) -> tuple[Any, Any, Any]:
        try:
            found = await ask.get(f"/api/audit/{asked['run_id']}")
        except Refused:
            return no_update, no_update, no_update  # no worker has begun it yet
        if found["run"]["status"] == "running":
            return _under_way(asked["run_id"], found), no_update, no_update
        words = "the copy is as the portal is." if found["agree"] else "the two differ; see below what is mended."
        return done(html.Strong("Compared: "), words), {"run_id": asked["run_id"], "over": True}, True


def _under_way(run_id: str, found: dict[str, Any] | None) -> Component:
    run = found["run"] if found else {}
    told = (
        f"{number(run.get('windows_done'))} of {number(run.get('windows'))} windows" if run else "waiting for a worker"
    )
    return html.Div(
        [dmc.Progress(value=100, animated=True, **aria(label="The audit is under way")), run_link(run_id), f" {told}"],
        className="reports-under-way",
        role="status",
    )


def _list(found: list[dict[str, Any]]) -> Component:
    if not found:
        what_to_do = "An audit compares the copy with the portal, by month and key. Start one here, or plan it daily."
        return empty("No audit yet", what_to_do, "report")
    rows = [
        {
            "verdict": _badge(audit),
            "audit": run_link(audit["run_id"]),
            "asked": when(audit["requested_at"]),
            "months": audit["months"],
            "portal": audit["portal"],
            "differences": _differences(audit) or "none",
        }
        for audit in found
    ]
    return table(COLUMNS, rows, label="Audits, newest first")


def _badge(audit: dict[str, Any]) -> Component:
    kind = {None: "running", True: "complete", False: "failed"}[audit["agree"]]
    badge = state(kind)
    badge.children = _verdict(audit)
    return badge


def _verdict(audit: dict[str, Any]) -> str:
    if audit["agree"] is None:
        return "failed" if audit["status"] == "failed" else "under way"
    return "agrees" if audit["agree"] else "differs"


def _grid(found: dict[str, Any]) -> Component:
    if not found["months"]:
        return empty("Nothing compared", "This audit has compared no month yet.", "report")
    held = {row["month"] for row in found["months"] if row["portal"] or row["ours"] or _differs(row)}
    months = sorted(held, reverse=True)
    most = max(row["portal"] for row in found["months"]) or 1
    cells = {(row["month"], row["dataset"]): _cell(row, most) for row in found["months"]}
    return html.Div(
        [
            html.P(_words(found), className="reports-count"),
            heat("Month", TABLES, months, cells, label="Verdicts by month and table"),
        ]
    )


def _words(found: dict[str, Any]) -> str:
    compared, differing = len(found["months"]), sum(_differs(row) for row in found["months"])
    verdict = f"{plural(differing, 'comparison')} of {compared:,} differ" if differing else f"All {compared:,} agree"
    return f"{verdict}. Months without a row on either side are left out."


def _cell(row: dict[str, Any], most: int) -> Cell:
    differences = _differences(row)
    counts = f"{row['ours']:,} here, {row['portal']:,} there"
    if not _differs(row):
        return Cell(f"✓ {row['portal']:,}", row["portal"] / most, counts)
    return Cell(f"≠ {differences or counts}", 0, counts, ill=True)


def _differences(row: dict[str, Any]) -> str:
    return ", ".join(f"{row[name]:,} {name}" for name in ("missing", "gone", "moved") if row[name])


def _differs(row: dict[str, Any]) -> bool:
    return bool(row["portal"] != row["ours"] or row["missing"] or row["gone"] or row["moved"])


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
