"""Plotly figures in the look of the pages, light or dark: see the part on figures in style.css."""

from typing import Any, Final

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.aria import aria

# Told apart by lightness as well as by hue, whatever colours an eye can see (after Okabe and Ito).
CATEGORIES: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
# From little to much, dark to light on either background (cividis: made for every kind of colour vision).
SCALE: Final = "Cividis"
SANS: Final = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def look(height: int) -> dict[str, Any]:
    """The layout of all figures, but for what each has of its own."""
    return {
        "height": height,
        "margin": {"l": 48, "r": 12, "t": 12, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SANS, "size": 12},
        "colorway": CATEGORIES,
        "hoverlabel": {"font": {"family": SANS}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }


def figure(plot: go.Figure, *, id: str, label: str, height: int = 320) -> Component:
    """`plot` at a fixed height, so that nothing jumps; `label` tells what it shows to whoever does not see it."""
    graph = dcc.Graph(
        id=id,
        figure=plot.update_layout(look(height)),
        config={"displayModeBar": False, "responsive": True},
        style={"height": f"{height}px"},
    )
    return html.Div(graph, role="img", className="plot", **aria(label=label))


def kept(choice: Any) -> dict[str, Any]:
    """The layout option that keeps zoom and selection for as long as `choice` stays the same."""
    return {"uirevision": str(choice)}
