"""The last runs, and how far each has come."""

from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.text import duration, moment, number, plural, span

STATES = {"running": "running", "complete": "complete", "failed": "failed"}


def runs(last: list[dict[str, Any]]) -> Component:
    """A line a run, with a bar that shows what is fetched and, in it, what has reached Gold."""
    if not last:
        what_to_do: list[Any] = [
            "Ask for a span of days: ",
            html.Code("crash-stream backfill --start 2024-01-01 --end 2024-02-01"),
        ]
        return empty("No run yet", what_to_do, "fetch")
    return html.Ul([_run(run) for run in last], className="runs")


def _run(run: dict[str, Any]) -> Component:
    state = STATES.get(run["status"], "running")
    return html.Li(
        [
            html.Div(
                [
                    html.Span(state, className=f"state state-{state}"),
                    html.Span(_span(run), className="run-span"),
                    html.Span(_when(run), className="run-when"),
                ],
                className="run-head",
            ),
            _bar(run),
            html.Div([html.Span(_progress(run)), _link(run)], className="run-foot"),
            *([html.P(_failure(run), className="run-error")] if run.get("failures") or run.get("error") else []),
        ],
        className="run",
    )


def _bar(run: dict[str, Any]) -> Component:
    fetched, loaded = shares(run)
    label = f"Run {run['run_id']}: {fetched:.0%} fetched, {loaded:.0%} in Gold"
    return html.Div(
        dmc.ProgressRoot(
            [
                dmc.ProgressSection(value=round(100 * loaded, 1), color="var(--in-gold)", withAria=False),
                dmc.ProgressSection(value=round(100 * (fetched - loaded), 1), color="var(--fetched)", withAria=False),
            ],
            size="sm",
            transitionDuration=400,
        ),
        role="progressbar",
        **aria(label=label, valuemin=0, valuemax=100, valuenow=round(100 * loaded)),
    )


def shares(run: dict[str, Any]) -> tuple[float, float]:
    """The shares of the run that are fetched, and that are fetched and in Gold: 0 <= loaded <= fetched <= 1."""
    if run["status"] == "complete":
        return 1.0, 1.0
    # The rows planned are the portal's own count at the start; what comes may be a little more or less.
    planned, windows = run["rows_planned"] or 0, run["windows"] or 0
    if windows and run["windows_done"] == windows and not run["failures"]:
        fetched = 1.0
    else:
        fetched = min((run["rows_fetched"] or 0) / planned, 0.99) if planned else 0.0
    expected = run["merges_expected"] or 0
    return fetched, fetched * min((run["merges_loaded"] or 0) / expected, 1.0) if expected else 0.0


def _span(run: dict[str, Any]) -> str:
    start, end = run["start"], run["end"]
    return span(start, end) if start and end else "waiting for its plan"


def _when(run: dict[str, Any]) -> str:
    begun, ended = run["requested_at"], run["finished_at"]
    took = f", took {duration((ended - begun).total_seconds())}" if begun and ended else ""
    return f"{moment(begun)}{took}"


def _progress(run: dict[str, Any]) -> str:
    fetched, planned = run["rows_fetched"] or 0, run["rows_planned"]
    if run["status"] == "running":
        merges = f"{number(run['merges_loaded'])} of {number(run['merges_expected'])} merges in Gold"
        return f"{number(fetched)} of {number(planned)} rows fetched · {merges}"
    return f"{number(fetched)} rows · {plural(run['crashes_changed'] or 0, 'crash change')}"


def _link(run: dict[str, Any]) -> Component:
    path = f"/runs/{quote(run['run_id'], safe='')}"
    return dcc.Link(f"{run['kind'] or 'run'} · {run['run_id']}", href=path, className="run-id")


def _failure(run: dict[str, Any]) -> str:
    parts = plural(run["failures"], "part") + " failed" if run.get("failures") else "failed"
    return f"{parts}: {run['error']}" if run.get("error") else parts
