"""Any two columns of an answer as a chart."""

from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go
from dash.development.base_component import Component

from webapp.components.figure import figure

KINDS: Final = ("bars", "line", "points")


def chart(rows: Sequence[dict[str, Any]], x: str, y: str, kind: str) -> Component:
    """`y` over `x` as `kind` of `KINDS`, in the order of the rows."""
    across, up = [row[x] for row in rows], [row[y] for row in rows]
    if all(isinstance(value, str | None) for value in across) and kind == "bars":
        across = [value if value is not None else "not known" for value in across]
    trace = {
        "bars": lambda: go.Bar(x=across, y=up),
        "line": lambda: go.Scatter(x=across, y=up, mode="lines"),
        "points": lambda: go.Scatter(x=across, y=up, mode="markers"),
    }[kind if kind in KINDS else "bars"]()
    plot = go.Figure(trace)
    plot.update_xaxes(title=x)
    plot.update_yaxes(title=y, rangemode="tozero" if kind == "bars" else "normal")
    return figure(plot, id="sql-plot", label=f"{y} by {x}, as {kind}; the same figures stand in the table", height=420)
