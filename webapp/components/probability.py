"""A probability as people read it: a share, in words, and where it stands against the threshold."""

from math import sqrt
from typing import Any, Final

from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria

_TICKS: Final = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)


def probability(
    title: str, value: float, threshold: float, *, kept: float | None = None, below: Any = None, id: str = ""
) -> Component:
    """The figure with its scale and the `threshold` from which the model says yes; `kept` is one to compare with.

    The scale is that of square roots: outcomes are rare, and a linear one would show little but its left end.
    """
    said = "at or above" if value >= threshold else "below"
    label = f"{title}: {percent(value)}, {said} the threshold of {percent(threshold)}"
    lines = [
        html.P(title, className="probability-title"),
        html.P(
            [
                html.Span(percent(value), className="probability-value", id=id or f"probability-{title}"),
                in_words(value),
            ],
            className="probability-words",
        ),
        html.Div(
            [
                html.Div(
                    [
                        html.Span(className="probability-fill", style={"width": _at(value)}),
                        *(
                            [html.Span(className="probability-kept", style={"left": _at(kept)})]
                            if kept is not None
                            else []
                        ),
                        html.Span(className="probability-threshold", style={"left": _at(threshold)}),
                    ],
                    className="probability-scale",
                ),
                html.Div(
                    [html.Span(f"{tick:.0%}", style={"left": _at(tick)}) for tick in _TICKS],
                    className="probability-ticks",
                    **aria(hidden="true"),
                ),
            ],
            role="img",
            **aria(label=label),
        ),
        html.P(
            [
                f"{said.capitalize()} the model's threshold of {percent(threshold)}: it says ",
                html.Strong(_yes(value >= threshold)),
                ".",
            ],
            className="probability-note",
        ),
    ]
    if kept is not None:
        lines.append(
            html.P(
                [f"Kept: {percent(kept)} → now {percent(value)}", _change(kept, value)], className="probability-change"
            )
        )
    return html.Div([*lines, below], className="probability")


def percent(value: float) -> str:
    """A share such as `14 %`, with a decimal where it is small."""
    if value < 0.0005:
        return "< 0.1 %"
    return f"{100 * value:.1f} %" if value < 0.0995 else f"{100 * value:.0f} %"


def in_words(value: float) -> str:
    """Such as `about 1 in 7`."""
    if value < 0.0005:
        return "less than 1 in 2,000"
    if value > 0.995:
        return "nearly certain"
    if value > 0.9:
        return f"about {round(100 * value)} in 100"
    if value >= 0.4:
        return f"about {round(10 * value)} in 10"
    times = 1 / value
    if times >= 100:
        times = round(times, -1)
    return f"about 1 in {round(times):,}"


def _at(value: float) -> str:
    return f"{100 * sqrt(value):.2f}%"


def _yes(yes: bool) -> str:
    return "yes" if yes else "no"


def _change(before: float, after: float) -> str:
    if max(before, after) < 1.02 * min(before, after):
        return ": about the same"
    times = max(before, after) / max(min(before, after), 1e-6)
    return f": {times:.1f} times as probable" if after > before else f": {times:.1f} times less probable"
