"""A training as it goes, and how it ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.evaluation import METRICS
from webapp.components.text import duration

STAGES: Final = {
    "read": "Read the crashes from Gold",
    "prepare": "Build features, and look for leaks",
    "search": "Search hyperparameters",
    "fit": "Fit the model",
    "judge": "Calibrate and judge",
    "keep": "Keep it in the registry",
}
_STATES: Final = {"finished": "complete", "running": "running", "requested": "running"}


def asked_for(request_id: str) -> Component:
    """That a training is on its way, before anybody has said more."""
    return html.Div([_head("requested", request_id), html.P("On its way to a trainer.", className="train-note")])


def job(told: Mapping[str, Any]) -> Component:
    """A training, as `GET /api/model/jobs/{request_id}` tells of it."""
    return html.Div(
        [
            _head(told["state"], told["request_id"]),
            _bar(told),
            _steps(told),
            html.P(_words(told), className="train-note"),
        ]
    )


def ended(told: Mapping[str, Any]) -> str:
    """How it ended, in a sentence: what it is, whether it serves, and why."""
    if told["state"] == "cancelled":
        return "It was given up; nothing of it is kept."
    if told["state"] == "failed":
        return " ".join(filter(None, (f"{told['error']}.", told["hint"])))
    compared, wish = told["comparison"], told["request"]["promote"]
    if wish == "never":
        return "It does not serve, as it was asked for only to be kept."
    if wish == "always":
        return "It serves now, as it was asked to in any case."
    if compared is None:
        return "It serves now: nothing that it could be compared with did before." if told["promoted"] else ""
    verdict = {
        "better": "it is better than what served",
        "worse": "it is worse than what serves",
        "no clear difference": "there is no clear difference from what serves",
    }[compared["verdict"]]
    auc = compared["metrics"]["roc_auc"]["difference"]
    figure = f"ROC-AUC {auc['value']:+.3f} ({auc['low']:+.3f} to {auc['high']:+.3f})"
    return f"{'It serves now' if told['promoted'] else 'It does not serve'}: {verdict}, {figure}."


def seconds(told: Mapping[str, Any]) -> float | None:
    """How long it has taken, once it has ended."""
    if not (told["started_at"] and told["ended_at"]):
        return None
    begun, over = (datetime.fromisoformat(told[name]) for name in ("started_at", "ended_at"))
    return (over - begun).total_seconds()


def state(word: str) -> Component:
    """A state as a label."""
    return html.Span(word, className=f"state state-{_STATES.get(word, 'failed')}")


def _head(word: str, request_id: str) -> Component:
    return html.Div(
        [state(word), dcc.Link(request_id, href=f"?job={request_id}", className="train-id")], className="train-job-head"
    )


def _bar(told: Mapping[str, Any]) -> Component:
    share = round(100 * (told["share"] or 0))
    return html.Div(
        dmc.ProgressRoot(dmc.ProgressSection(value=share, withAria=False), size="lg", transitionDuration=300),
        role="progressbar",
        **aria(label=f"Training {told['request_id']}", valuemin=0, valuemax=100, valuenow=share),
    )


def _steps(told: Mapping[str, Any]) -> Component:
    stages = [name for name in STAGES if name != "search" or told["request"].get("search_seconds")]
    # Of a stage that is not known to us, none is marked.
    at = stages.index(told["stage"]) if told["stage"] in stages else -1
    finished = told["state"] == "finished"
    steps = []
    for place, name in enumerate(stages):
        done = finished or place < at
        mark, now = (
            ("✓", "done") if done else ("▸", "now") if place == at and told["state"] == "running" else ("·", "open")
        )
        steps.append(
            html.Li([html.Span(f"{mark} ", **aria(hidden="true")), STAGES[name]], className=f"train-step-{now}")
        )
    return html.Ol(steps, className="train-steps")


def _words(told: Mapping[str, Any]) -> str:
    words = [f"{told['share'] or 0:.0%} done"] if told["state"] == "running" else []
    if told["score"] is not None:
        words.append(f"{METRICS['roc_auc'][0]} {'' if told['ended_at'] else 'so far '}{told['score']:.3f}")
    if told["seconds_left"] is not None and not told["ended_at"]:
        words.append(f"about {duration(told['seconds_left'])} left")
    took = seconds(told)
    if took is not None:
        words.append(f"took {duration(took)}")
    if told["state"] == "requested":
        words.append("waits for a trainer that is free; GET /api/health says whether one is up")
    return " · ".join(words)
