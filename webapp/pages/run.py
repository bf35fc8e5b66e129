"""One run: its stages, pages and times, what failed, what an audit found; live while it runs."""

from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.done import done
from webapp.components.empty import empty
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.components.progress import bars, ended, pace_words, utc
from webapp.components.table import table
from webapp.components.text import NOTHING, duration, moment, number, plural, size, span
from webapp.components.who import who_may

TICK_MS: Final = 2000
# A run of the whole history has thousands of pages; the API has them all.
SHOWN_PAGES: Final = 200
KINDS: Final = {
    "backfill": "Backfill",
    "first-start": "First start",
    "schedule": "Scheduled backfill",
    "stream": "Poll",
    "look-back": "Look back",
    "audit": "Audit",
}


async def layout(ask: Ask, run_id: str = "", **_: str) -> Component:
    """The frame; what is in it is asked for at once and, while the run goes on, every other second."""
    name = unquote(run_id)
    session = await ask.get("/api/session")
    replay = html.Div(
        [
            *who_may(session, "Replaying", f"/runs/{quote(name)}"),
            dmc.Button("Replay what failed", id="run-replay", disabled=not session["signed_in"]),
            html.Div(id="run-replayed", role="status"),
        ],
        id="run-replay-part",
        className="stack",
        hidden=True,
    )
    return html.Div(
        [
            dcc.Store(id="run-name", data=name),
            dcc.Interval(id="run-tick", interval=TICK_MS),
            heading("Run", [html.Code(name)], dcc.Link("All runs", href="/reports", className="run-back")),
            html.Div(id="run-state", className="run-state busy"),
            html.Div([html.Div(id="run-failures"), replay], className="run-part"),
            html.Div(id="run-audit", className="run-part"),
            html.Div(id="run-pages", className="run-part"),
        ],
        className="run-page",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Show the run as it is now, and replay what failed."""

    @app.callback(
        Output("run-state", "children"),
        Output("run-state", "className"),
        Output("run-failures", "children"),
        Output("run-replay-part", "hidden"),
        Output("run-audit", "children"),
        Output("run-pages", "children"),
        Output("run-tick", "disabled"),
        Input("run-tick", "n_intervals"),
        State("run-name", "data"),
    )
    async def show(_: int | None, name: str) -> list[Any]:
        try:
            found = await ask.get(f"/api/runs/{quote(name)}")
            letters = (await ask.get("/api/dead-letters", run=name, limit=100))["dead_letters"]
        except Refused as refused:
            shown = _unknown() if refused.status == 404 else problem(refused)
            # Gold may come back, and a run appear; a name that no run can have stays unknown.
            return [shown, "run-state", *[no_update] * 4, refused.status == 422]
        run, stages = found["run"], found["stages"]
        waiting = [letter for letter in letters if letter["replayed_at"] is None]
        return [
            _state(run, stages, datetime.now(UTC)),
            "run-state",
            _failures(run, letters),
            not waiting,
            _audit(found["audits"]),
            _pages(found["pages"], name),
            ended(run, stages) and not waiting,
        ]

    @app.callback(
        Output("run-replayed", "children"),
        Input("run-replay", "n_clicks"),
        State("run-name", "data"),
        prevent_initial_call=True,
        running=[(Output("run-replay", "loading"), True, False)],
    )
    async def replay(_: int | None, name: str) -> Any:
        try:
            found = await ask.get("/api/dead-letters", run=name, replayed=False, limit=10_000)
            letters = [letter["letter"] for letter in found["dead_letters"]]
            if not letters:
                return done("Nothing is left to replay.")
            answer = await ask.post("/api/dead-letters/replay", {"letters": letters})
        except Refused as refused:
            return problem(refused)
        said = [
            html.Strong(f"{plural(answer['replayed'], 'message')} published again. "),
            "They show here in a moment.",
        ]
        refusals = [html.P(f"{letter}: {reason}") for letter, reason in answer["refused"].items()]
        return done(*said, *refusals)


def _unknown() -> Component:
    what_to_do = "A run is listed once a worker has planned it: this page looks again every two seconds."
    return html.Div(empty("No run of this name yet", what_to_do, "clock"), className="card")


def _state(run: dict[str, Any], stages: dict[str, Any], now: datetime) -> Component:
    begun, finished = utc(run["requested_at"]), utc(run["finished_at"])
    spent = ((finished or now) - begun).total_seconds() if begun else None
    days = [date.fromisoformat(run[side]) for side in ("start", "end") if run[side]]
    facts = [
        ("What", KINDS.get(run["kind"], run["kind"] or NOTHING)),
        ("Crash dates", span(days[0], days[1]) if len(days) == 2 else NOTHING),
        ("Tables", ", ".join(run["datasets"] or []) or NOTHING),
        ("Asked for", moment(begun)),
        ("Ended", moment(finished)),
        ("Took" if finished else "For", duration(spent) if spent is not None else NOTHING),
        ("Windows", f"{number(run['windows_done'])} of {number(run['windows'])}"),
        ("Pages", f"{number(run['pages_fetched'])}, {size(run['bytes_fetched'])}"),
        ("Crashes changed", number(run["crashes_changed"])),
    ]
    return html.Section(
        [
            html.Div(
                [html.H2("Progress"), html.Span(run["status"], className=f"state state-{run['status']}")],
                className="run-title",
            ),
            html.Div(bars(run, stages), className="run-stages"),
            html.P(pace_words(run, now), className="progress-pace"),
            html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in facts], className="run-facts"),
        ],
        className="card run-card",
    )


def _failures(run: dict[str, Any], letters: list[dict[str, Any]]) -> list[Component]:
    if not run["failures"] and not letters:
        return []
    rows = [
        {
            "letter": html.Code(letter["letter"]),
            "stage": letter["stage"],
            "why": html.Span([html.Strong(letter["error"]), f": {letter['message']}"]),
            "failed": moment(utc(letter["failed_at"])),
            "replayed": moment(utc(letter["replayed_at"])) if letter["replayed_at"] else "not yet",
            "value": html.Details([html.Summary("show"), html.Pre(letter["value"] or letter["value_base64"] or "")]),
        }
        for letter in letters
    ]
    titles = {
        "stage": "Stage",
        "why": "Why",
        "failed": "Failed",
        "replayed": "Replayed",
        "letter": "Dead letter",
        "value": "Message",
    }
    first = html.P(run["error"], className="progress-error") if run["error"] else None
    return [
        html.Section(
            [
                html.H2(plural(run["failures"], "failure") if run["failures"] else "Failed, and succeeded since"),
                *([first] if first else []),
                *([table(titles, rows, label="Dead letters of this run")] if rows else []),
            ],
            className="card run-card",
        )
    ]


def _audit(found: list[dict[str, Any]]) -> list[Component]:
    if not found:
        return []
    titles = {
        "month": "Month",
        "dataset": "Table",
        "portal": "On the portal",
        "ours": "Ours",
        "missing": "Missing",
        "gone": "Gone",
        "moved": "Moved",
    }
    differing = [row for row in found if row["missing"] or row["gone"] or row["moved"]]
    words = f"{plural(len(found), 'month')} compared, " + (f"{len(differing)} differ" if differing else "all alike")
    rows = sorted(found, key=lambda row: row not in differing)
    return [
        html.Section(
            [html.H2("Audit"), html.P(words), table(titles, rows, label="What the audit found")],
            className="card run-card",
        )
    ]


def _pages(found: list[dict[str, Any]], name: str) -> list[Component]:
    if not found:
        return []
    shown = found[-SHOWN_PAGES:]
    rows = [
        {
            "page": html.Code(page["page_id"]),
            "rows": page["rows"],
            "size": size(page["size"]),
            "months": _months(page),
            "fetched": _time(page["fetched_at"]),
            "merged": _time(page["merged_at"]),
            "loaded": _time(page["loaded_at"]),
        }
        for page in shown
    ]
    titles = {
        "page": "Page",
        "rows": "Rows",
        "size": "Size",
        "months": "Months",
        "fetched": "Fetched",
        "merged": "Merged",
        "loaded": "In Gold",
    }
    last = f", of which these are the last {SHOWN_PAGES}" if len(found) > len(shown) else ""
    return [
        html.Section(
            [
                html.H2("Pages"),
                html.P(
                    [
                        f"{plural(len(found), 'page')}{last}. ",
                        html.A("All as JSON", href=f"/api/runs/{quote(name)}", target="_blank"),
                    ],
                ),
                table(titles, rows, label="Pages of this run"),
            ],
            className="card run-card",
        )
    ]


def _months(page: dict[str, Any]) -> str:
    months = page["months"]
    if not months:
        return "none"
    merged = f", {page['months_merged']} merged" if page["months_merged"] < len(months) else ""
    return f"{months[0]}{merged}" if len(months) == 1 else f"{len(months)}{merged}"


def _time(text: str | None) -> str:
    at = utc(text)
    if at is None:
        return NOTHING
    words = moment(at)
    clock, half = words.rsplit(" ", 1)
    return f"{clock}:{at:%S} {half}"
