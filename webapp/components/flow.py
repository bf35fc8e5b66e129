"""The flow as a picture: places where rows rest, and between them the stages that carry them on."""

from typing import Any

from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.text import NOTHING, number, plural, size


def flow(figures: dict[str, Any], crashes: int | None, portal: str) -> Component:
    """The picture, with what has passed each stage; an empty dict leaves its figures open."""

    def counted(name: str, noun: str) -> str:
        return plural(figures[name], noun) if name in figures else NOTHING

    moving = bool(figures.get("running"))
    expected, merged, loaded = (figures.get(f"merges_{what}") for what in ("expected", "done", "loaded"))
    scored = figures.get("crashes_scored")
    return html.Ol(
        [
            _place("portal", "Portal", "3 tables", portal),
            _stage("fetch", counted("pages_fetched", "page"), counted("rows_fetched", "row"), moving),
            _place("bronze", "Bronze", size(figures.get("bytes_archived")), "as received"),
            _stage("merge", counted("merges_done", "merge"), _behind(merged, expected, "to do"), moving),
            _place("silver", "Silver", counted("months_merged", "month"), "a row a crash"),
            _stage("load", counted("merges_loaded", "load"), _behind(loaded, merged, "to load"), moving),
            _place("gold", "Gold", number(crashes), "crashes, typed"),
            _stage("score", *_scored(scored, crashes), moving),
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


def _stage(name: str, figure: str, note: str, moving: bool) -> Component:
    return html.Li(
        [
            html.Span(name, className="stage-name"),
            html.Span(className="stage-arrow", **aria(hidden="true")),
            html.Span(figure, className="stage-figure", id=f"flow-{name}"),
            html.Span(note, className="stage-note"),
        ],
        className="stage moving" if moving else "stage",
    )
