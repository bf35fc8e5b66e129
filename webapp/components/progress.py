"""How far a run is: a bar a stage, its pace, and what is left of it."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.runs import shares
from webapp.components.term import term
from webapp.components.text import NOTHING, duration, moment, number, plural, span

STAGES: Final = (
    (
        "fetched",
        "Fetched",
        "Pages of the portal that are archived as received. The portal counted the rows beforehand.",
    ),
    ("merged", "Merged", "A page is merged into each crash month that its rows fall in."),
    ("loaded", "In Gold", "The merged months that Gold holds: from here on, everybody sees the rows."),
    ("scored", "Scored", "The merged months in which each crash has a score of each model that serves."),
)


def run_path(run_id: str) -> str:
    """The address of a run's page."""
    return f"/runs/{quote(run_id)}"


def utc(text: str | None) -> datetime | None:
    """A time of the API's, which is in UTC and says so only in its description."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def ended(run: dict[str, Any], stages: dict[str, Any]) -> bool:
    """Whether nothing more will come of the run: its last row is in Gold and, where a model serves, scored."""
    if run["status"] == "running":
        return False
    scored = stages["scored"]
    return run["status"] == "failed" or scored["done"] is None or scored["done"] >= (scored["expected"] or 0)


def pace(run: dict[str, Any], now: datetime) -> tuple[float | None, float | None]:
    """Rows fetched a second since the request, and the seconds left until all is in Gold; None where unknown."""
    begun, finished = utc(run["requested_at"]), utc(run["finished_at"])
    if begun is None:
        return None, None
    spent = ((finished or now) - begun).total_seconds()
    rate = (run["rows_fetched"] or 0) / spent if spent > 0 else None
    # Fetching and loading go on side by side, and take about as long.
    share = sum(shares(run)) / 2
    left = spent * (1 - share) / share if run["status"] == "running" and share > 0.02 else None
    return rate, left


def progress(run: dict[str, Any], stages: dict[str, Any], now: datetime) -> Component:
    """A run as `GET /api/runs/{run_id}` tells of it: what it is, how it stands, and a bar a stage."""
    return html.Article(
        [
            html.Div(
                [
                    html.Span(run["status"], className=f"state state-{run['status']}"),
                    dcc.Link(run["run_id"], href=run_path(run["run_id"]), className="progress-id"),
                    html.Span(_times(run, now), className="progress-when"),
                ],
                className="progress-head",
            ),
            bars(run, stages),
            html.P(pace_words(run, now), className="progress-pace"),
            *([html.P(f"Failed: {run['error']}", className="progress-error")] if run["error"] else []),
        ],
        className="progress",
    )


def bars(run: dict[str, Any], stages: dict[str, Any]) -> Component:
    """A bar a stage, with its figures in words."""
    return html.Ol(
        [_stage(name, title, says, run, stages) for name, title, says in STAGES], className="progress-stages"
    )


def pace_words(run: dict[str, Any], now: datetime) -> str:
    """How quick the run is or was, such as `7,643 rows a second · about 12 s left`."""
    rate, left = pace(run, now)
    words = [f"{rate:,.0f} rows a second" if rate else "no row yet"]
    if left is not None:
        words.append(f"about {duration(left)} left")
    if run["status"] != "running":
        words.append(plural(run["crashes_changed"] or 0, "crash change"))
    return " · ".join(words)


def _stage(name: str, title: str, says: str, run: dict[str, Any], stages: dict[str, Any]) -> Component:
    share, words = _share(name, run, stages)
    value = round(100 * share)
    bar = dmc.ProgressRoot(
        dmc.ProgressSection(value=value, color=f"var(--progress-{name})", withAria=False), transitionDuration=300
    )
    return html.Li(
        [
            html.Span(term(title, says), className="progress-name"),
            html.Div(
                bar, role="progressbar", **aria(label=f"{title}: {words}", valuemin=0, valuemax=100, valuenow=value)
            ),
            html.Span(words, className="progress-figure"),
        ]
    )


def _share(name: str, run: dict[str, Any], stages: dict[str, Any]) -> tuple[float, str]:
    fetched, loaded = shares(run)
    if name == "fetched":
        return fetched, f"{number(run['rows_fetched'] or 0)} of {number(run['rows_planned'])} rows"
    done, expected = stages[name]["done"], stages[name]["expected"] or 0
    if name == "scored" and done is None:
        return 0.0, "no model serves"
    words = f"{number(done or 0)} of {plural(expected, 'merge')}"
    if name == "loaded":
        return loaded, words
    if not expected:
        return (1.0, words) if run["status"] == "complete" else (0.0, words)
    return fetched * min((done or 0) / expected, 1.0), words


def _times(run: dict[str, Any], now: datetime) -> str:
    begun, finished = utc(run["requested_at"]), utc(run["finished_at"])
    if begun is None:
        return NOTHING
    spent = ((finished or now) - begun).total_seconds()
    days = [datetime.fromisoformat(run[side]).date() for side in ("start", "end") if run[side]]
    return " · ".join(
        [
            *([span(*days)] if len(days) == 2 else []),
            moment(begun),
            f"took {duration(spent)}" if finished else f"for {duration(spent)}",
        ]
    )
