"""The flow as a picture: places where rows rest, and between them the stages that carry them on."""

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.text import NOTHING, ago, number, plural, size


def flow(
    figures: dict[str, Any], crashes: int | None, portal: str, stages: Mapping[str, dict[str, Any]] | None = None
) -> Component:
    """The picture, with what has passed each stage, and how it is now; an empty dict leaves its figures open."""

    def counted(name: str, noun: str) -> str:
        return plural(figures[name], noun) if name in figures else NOTHING

    moving = bool(figures.get("running"))
    now = stages or {}
    expected, merged, loaded = (figures.get(f"merges_{what}") for what in ("expected", "done", "loaded"))
    scored = figures.get("crashes_scored")
    return html.Ol(
        [
            _place("portal", "Portal", "3 tables", portal),
            _stage("fetch", counted("pages_fetched", "page"), counted("rows_fetched", "row"), moving, now.get("fetch")),
            _place("bronze", "Bronze", size(figures.get("bytes_archived")), "as received"),
            _stage(
                "merge", counted("merges_done", "merge"), _behind(merged, expected, "to do"), moving, now.get("merge")
            ),
            _place("silver", "Silver", counted("months_merged", "month"), "a row a crash"),
            _stage(
                "load", counted("merges_loaded", "load"), _behind(loaded, merged, "to load"), moving, now.get("load")
            ),
            _place("gold", "Gold", number(crashes), "crashes, typed"),
            _stage("score", *_scored(scored, crashes), moving, now.get("score")),
            _place("scores", "Scores", number(scored), "risk of each crash"),
        ],
        className="flow",
    )


def _behind(done: int | None, expected: int | None, what: str) -> str:
    if done is None or expected is None:
        return NOTHING
    return f"{expected - done:,} {what}" if expected > done else "up to date"


def _scored(scored: int | None, crashes: int | None) -> tuple[str, str]:
    if scored is None:
        return "no model yet", NOTHING
    return number(scored), _behind(scored, crashes, "to score")


def _place(name: str, title: str, figure: str, note: str) -> Component:
    return html.Li(
        [
            html.Span(className=f"icon icon-{name}", **aria(hidden="true")),
            html.Span(title, className="place-title"),
            html.Span(figure, className="place-figure", id=f"flow-{name}"),
            html.Span(note, className="place-note"),
        ],
        className=f"place place-{name}",
    )


def _stage(name: str, figure: str, note: str, moving: bool, now: dict[str, Any] | None) -> Component:
    late = (f"{now['last_5_minutes']:,} in 5 min" if now["last_5_minutes"] else ago(now["last_at"])) if now else NOTHING
    return html.Li(
        [
            html.Span(name, className="stage-name"),
            html.Span(className="stage-arrow", **aria(hidden="true")),
            html.Span(figure, className="stage-figure", id=f"flow-{name}"),
            html.Span(note, className="stage-note"),
            html.Span(late, className="stage-now"),
        ],
        className="stage moving" if moving else "stage",
    )
