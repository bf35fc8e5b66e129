"""A word with its definition, for whoever points at it, focuses it or taps it."""

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component


def term(word: str, meaning: str) -> Component:
    """`word`, underlined with dots; `meaning` appears over it."""
    shown: Component = dmc.Tooltip(
        html.Span(word, className="term", tabIndex=0),
        label=meaning,
        multiline=True,
        w=280,
        withArrow=True,
        boxWrapperProps={"display": "inline-block"},  # a word of a sentence stays in its line
        events={"hover": True, "focus": True, "touch": True},
    )
    return shown
