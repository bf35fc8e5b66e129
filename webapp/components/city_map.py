"""The city as hexagons, drawn without any map of others: its shape, what is counted, single crashes on top.

A colour is the place of a trace in the figure, and stands in assets/pages/map.css, for light and for dark. So each
trace is there at all times; one without a place to show has a point of no size.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dash import dcc, html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.plot import Plot
from webapp.hexgrid import corners, metres, middle

# Where the colours change: so many of the hexagons are below. Hotspots are few, and told apart best.
_SHARES: Final = (0.3, 0.6, 0.8, 0.92, 0.98)
STEPS: Final = len(_SHARES) + 1
# From here on a crash is drawn as a darker and larger dot.
RISKS: Final = (0.0, 0.1, 0.25, 0.5)
_SIZES: Final = (7, 9, 11, 14)

# In metres: the city, and a part of the lake.
_WEST, _EAST, _SOUTH, _NORTH = -20_600, 17_500, -24_000, 20_200
_MARGIN: Final = 4
# Far off the map.
_NOWHERE: Final = -10_000_000

_CONFIG: Final = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "pan2d", "resetScale2d"]],
}


@dataclass(frozen=True)
class Step:
    """Hexagons of one colour: their values are from `low` to `high`."""

    low: float
    high: float
    hexagons: Sequence[Mapping[str, Any]]


def graph(id: str, plot: Plot, *, label: str, still: bool = False) -> Component:
    """The place of a map, at a height that is fixed by the stylesheet; `still` is a small picture without any controls.

    `label` tells what it shows to whoever does not see it.
    """
    config: Any = {"staticPlot": True, "responsive": True} if still else _CONFIG
    inner = dcc.Graph(id=id, figure=plot, config=config, responsive=True, style={"height": "100%"})
    name = "plot city-map city-map-still" if still else "plot city-map"
    return html.Div(inner, role="img" if still else "group", className=name, **aria(label=label))


def city_map(
    outline: Iterable[tuple[int, int]],
    size: int,
    *,
    steps: Sequence[Step] = (),
    words: Mapping[tuple[int, int], str] | None = None,
    crashes: Sequence[Mapping[str, Any]] = (),
    fresh: Sequence[Mapping[str, Any]] = (),
    chosen: tuple[int, int] | None = None,
    at: tuple[float, float] | None = None,
    still: bool = False,
) -> Plot:
    """The map. `words` say what a pointer at a hexagon is told, and make the hexagons fit to be chosen.

    `crashes` are dots by their `risk`, `fresh` ones ringed; `chosen` is a hexagon, `at` the latitude and longitude of a
    place.
    """
    plot = Plot()
    _add_hexagons(plot, outline, size, "shape")
    for number in range(STEPS):
        found = steps[number].hexagons if number < len(steps) else ()
        _add_hexagons(plot, ((each["q"], each["r"]) for each in found), size, f"step {number + 1}")
    for trace in dots(crashes):
        plot.add("scatter", **trace)
    plot.add("scatter", **ring(fresh))
    edge = [*corners(*chosen, size), corners(*chosen, size)[0]] if chosen else [(_NOWHERE, _NOWHERE)]
    plot.add(
        "scatter", x=[x for x, _ in edge], y=[y for _, y in edge], mode="lines", line={"width": 3}, hoverinfo="skip"
    )
    here = metres(*at) if at else (_NOWHERE, _NOWHERE)
    plot.add(
        "scatter", x=[here[0]], y=[here[1]], mode="markers", marker={"symbol": "star", "size": 18}, hoverinfo="skip"
    )
    # Middles that a pointer finds. A line that is not seen: thousands of points would take a browser half a second.
    named = list((words or {}).items())
    places = [middle(q, r, size) for (q, r), _ in named]
    plot.add(
        "scatter",
        x=[round(x) for x, _ in places],
        y=[round(y) for _, y in places],
        customdata=[f"{q},{r}" for (q, r), _ in named],
        text=[text for _, text in named],
        mode="lines",
        opacity=0,
        hovertemplate="%{text}<extra></extra>",
    )
    _dress(plot, still)
    return plot


def steps_of(hexagons: Sequence[Mapping[str, Any]], measure: str) -> list[Step]:
    """The hexagons by colour, from little to much; those without any of it have none."""
    found = sorted((each for each in hexagons if each[measure]), key=lambda each: each[measure])
    edges = sorted({found[int(share * len(found))][measure] for share in (0.0, *_SHARES)}) if found else []
    steps = []
    for low, above in zip(edges, [*edges[1:], float("inf")], strict=True):
        inside = [each for each in found if low <= each[measure] < above]
        steps.append(Step(low, inside[-1][measure], inside))
    # Few steps are the upper ones: much is to look like much.
    return [Step(0, 0, ())] * (STEPS - len(steps)) + steps if steps else []


def dots(crashes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A trace for each step of the risk; what has no score yet is drawn as the least."""
    traces = []
    for number, low in enumerate(RISKS):
        high = RISKS[number + 1] if number + 1 < len(RISKS) else 1.01
        places = [_place(crash) for crash in crashes if low <= (crash["risk"] or 0) < high]
        traces.append(_points(places, size=_SIZES[number], line={"width": 1.5}))
    return traces


def ring(crashes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The trace around crashes that are new."""
    return _points([_place(crash) for crash in crashes], symbol="circle-open", size=22, line={"width": 2.5})


def _place(crash: Mapping[str, Any]) -> tuple[float | None, float | None]:
    if crash["latitude"] is None:
        return None, None
    x, y = metres(crash["latitude"], crash["longitude"])
    return round(x), round(y)


def _points(places: Sequence[tuple[float | None, float | None]], **marker: Any) -> dict[str, Any]:
    kept = [place for place in places if place[0] is not None] or [(_NOWHERE, _NOWHERE)]
    return {
        "x": [x for x, _ in kept],
        "y": [y for _, y in kept],
        "mode": "markers",
        "marker": marker,
        "hoverinfo": "skip",
    }


def _add_hexagons(plot: Plot, hexagons: Iterable[tuple[int, int]], size: int, name: str) -> None:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for q, r in hexagons:
        around = corners(q, r, size)
        xs += [round(x) for x, _ in around] + [round(around[0][0]), None]
        ys += [round(y) for _, y in around] + [round(around[0][1]), None]
    plot.add(
        "scatter",
        x=xs or [_NOWHERE] * 3,
        y=ys or [_NOWHERE] * 3,
        fill="toself",
        mode="lines",
        line={"width": 0.5},
        name=name,
        hoverinfo="skip",
    )


def _dress(plot: Plot, still: bool) -> None:
    nothing = {"visible": False, "showgrid": False, "zeroline": False, "constrain": "domain"}
    plot.lay_out(
        autosize=True,
        height=None,
        margin=dict.fromkeys("lrtb", _MARGIN),
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        hoverdistance=30,
        uirevision="the city stays where it is",
        xaxis={**nothing, "range": [_WEST, _EAST]},
        yaxis={**nothing, "range": [_SOUTH, _NORTH], "scaleanchor": "x", "scaleratio": 1},
    )
    lake = {"text": "Lake<br>Michigan", "font": {"size": 11 if still else 15, "style": "italic"}}
    plot.mark("annotations", x=13_000, y=10_000, showarrow=False, **lake)
    if not still:  # five kilometres, to measure by
        y = _SOUTH + 800
        plot.mark("shapes", type="line", x0=_WEST + 500, x1=_WEST + 5_500, y0=y, y1=y, line={"width": 2})
        plot.mark("annotations", x=_WEST + 3_000, y=y + 900, text="5 km", showarrow=False)
