"""Live map: where crashes happen, and each new one as it comes."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, Patch, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.city_map import RISKS, STEPS, Step, city_map, dots, graph, ring, steps_of
from webapp.components.crash_line import crash_line
from webapp.components.days import chosen as chosen_days
from webapp.components.days import days as days_field
from webapp.components.empty import empty
from webapp.components.heading import heading
from webapp.components.probability import percent
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import NOTHING, clock, day, number
from webapp.hexgrid import address, address_of

TICK_MS: Final = 5_000
# New crashes are shown at each tick, all hexagons anew at each so many.
_COUNT_AGAIN: Final = 6

PERIODS: Final = {"7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "365": "Last year", "all": "All time"}
OWN: Final = "own"
SEVERITIES: Final = {"any": "Any", "injury": "With an injury", "severe": "Severe or fatal", "fatal": "Fatal"}
WHO: Final = {
    "pedestrian": "Pedestrians",
    "cyclist": "Cyclists",
    "driver": "Drivers",
    "passenger": "Passengers",
    "other": "Others",
}
MEASURES: Final = {"crashes": "Crashes", "injuries": "Injuries", "severe": "Severe", "risk": "Predicted risk"}
SIZES: Final = {"250": "250 m", "500": "500 m", "1000": "1 km", "2000": "2 km"}
_COUNTED: Final = {
    "crashes": "Crashes in a hexagon",
    "injuries": "Crashes with an injury in a hexagon",
    "severe": "Crashes with a severe or fatal injury in a hexagon",
    "risk": "Mean predicted probability of an injury",
}
# A mean of fewer crashes says nothing of the place.
_LEAST: Final = 5
_DOTS: Final = 60
_LISTED: Final = 25
_TOP: Final = 10

_RISK: Final = (
    "How probable an injury was by what the report says, in the eyes of the model; on average over the crashes."
)
_GRID: Final = (
    "Chicago's addresses count from State and Madison Street, 800 a mile: 2400 N, 800 W is three miles north of it and "
    "one west."
)
_INVOLVED: Final = "Crashes in which somebody of this kind was, hurt or not."


def layout(
    ask: Ask,
    period: str = "30",
    severity: str = "any",
    type: str = "",
    who: str = "",
    measure: str = "crashes",
    size: str = "500",
    hexagon: str = "",
    **more: str,
) -> Component:
    """The frame with the choices of the address; what it shows comes by callback. `more` may have `from` and `to`."""
    field: Any = days_field(
        "map-days", more.get("from"), more.get("to"), label="Days", placeholder="First and last day"
    )
    period = OWN if period == OWN and all(field.value) else period if period in PERIODS else "30"
    periods = {**PERIODS, OWN: "Own days"}
    return html.Div(
        [
            dcc.Location(id="map-url", refresh=False),
            dcc.Interval(id="map-tick", interval=TICK_MS),
            dcc.Store(id="map-asked"),
            dcc.Store(id="map-hexagon", data=hexagon if _parsed(hexagon) else None),
            dcc.Store(id="map-seen", data={}),
            heading(
                "Live map",
                "Where crashes happen, and each new one as it comes.",
                html.P(_through(None), id="map-through", className="through"),
            ),
            html.Div(
                [
                    _select("map-period", "When", periods, period),
                    html.Div(field, id="map-own", hidden=period != OWN),
                    _select("map-severity", "Severity", SEVERITIES, severity if severity in SEVERITIES else "any"),
                    dmc.Select(
                        id="map-type",
                        label="Type",
                        placeholder="All types",
                        data=[type] if type else [],
                        value=type or None,
                        searchable=True,
                        clearable=True,
                        size="md",
                    ),
                    dmc.Select(
                        id="map-who",
                        label=term("Who was in it", _INVOLVED),
                        placeholder="Anybody",
                        data=_options(WHO),
                        value=who if who in WHO else None,
                        clearable=True,
                        size="md",
                    ),
                    _select("map-size", "Size of hexagons", SIZES, size if size in SIZES else "500"),
                ],
                className="map-controls",
            ),
            html.Div(id="map-problem"),
            html.Div(
                [
                    html.Section(
                        [
                            html.Div(
                                [
                                    dmc.SegmentedControl(
                                        id="map-measure",
                                        data=_options(MEASURES),
                                        value=measure if measure in MEASURES else "crashes",
                                    ),
                                    html.P(NOTHING, id="map-note", className="map-note", role="status"),
                                ],
                                className="map-head",
                            ),
                            graph(
                                "map-plot",
                                city_map((), 500),
                                label="Map of Chicago as hexagons. The hexagons with "
                                "the most stand in the table below it, where each can be chosen.",
                            ),
                            html.Div(_legend((), "crashes"), id="map-legend", className="map-legend"),
                        ],
                        className="card map-card",
                    ),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2("Latest crashes", id="map-list-title"),
                                    dmc.Switch(id="map-live", label="Live", checked=True, size="md"),
                                    dmc.Button("Back to the latest", id="map-back", variant="subtle"),
                                ],
                                className="map-list-head",
                            ),
                            html.Div(
                                [html.Div(id="map-list"), html.Button("Show more", id="map-more", hidden=True)],
                                className="map-list",
                                tabIndex=0,
                                role="region",
                                **aria(labelledby="map-list-title"),
                            ),
                        ],
                        className="card map-side",
                    ),
                ],
                className="map-columns",
            ),
            html.Section(
                [html.H2("Where most of it is", id="map-top-title"), html.Div(id="map-top", className="map-top")],
                className="card map-tops",
            ),
        ],
        className="map",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Draw what is chosen, keep it in the address, and show what is new."""

    @app.callback(
        Output("map-hexagon", "data"),
        Input("map-plot", "clickData"),
        Input({"type": "map-pick", "hexagon": ALL}, "n_clicks"),
        Input("map-back", "n_clicks"),
        Input("map-size", "value"),
        prevent_initial_call=True,
    )
    def choose(click: dict[str, Any] | None, _: list[int | None], __: int | None, ___: str) -> Any:
        by = ctx.triggered_id
        if by == "map-plot":
            return (click or {}).get("points", [{}])[0].get("customdata", no_update)
        if isinstance(by, dict):
            # Buttons that appear count as triggers, too; they have not been pressed.
            return by["hexagon"] if ctx.triggered[0]["value"] else no_update
        return None  # hexagons of another size are others

    @app.callback(
        Output("map-asked", "data"),
        Output("map-url", "search"),
        Output("map-own", "hidden"),
        Input("map-period", "value"),
        Input("map-days", "value"),
        Input("map-severity", "value"),
        Input("map-type", "value"),
        Input("map-who", "value"),
        Input("map-measure", "value"),
        Input("map-size", "value"),
        Input("map-hexagon", "data"),
    )
    def asked(
        period: str, days: Any, severity: str, kind: str | None, who: str | None, measure: str, size: str, hexagon: Any
    ) -> tuple[dict[str, Any], str, bool]:
        first, last = chosen_days(days) if period == OWN else (None, None)
        choice = {
            "period": period,
            "from": first,
            "to": last,
            "severity": severity,
            "type": kind,
            "who": who,
            "measure": measure,
            "size": size,
            "hexagon": hexagon,
        }
        return choice, "?" + urlencode({name: value for name, value in choice.items() if value}), period != OWN

    @app.callback(Output("map-type", "data"), Input("map-type", "id"))
    async def types(_: str) -> Any:
        try:
            found = (await ask.get("/api/map/types"))["rows"]
        except Refused:
            return no_update
        return [{"value": row["type"], "label": f"{row['type'].capitalize()} ({row['crashes']:,})"} for row in found]

    @app.callback(Output("map-tick", "max_intervals"), Input("map-live", "checked"))
    def live(checked: bool) -> int:
        return -1 if checked else 0

    @app.callback(
        Output("map-plot", "figure"),
        Output("map-legend", "children"),
        Output("map-note", "children"),
        Output("map-top", "children"),
        Output("map-list", "children"),
        Output("map-list-title", "children"),
        Output("map-more", "hidden"),
        Output("map-back", "style"),
        Output("map-through", "children"),
        Output("map-problem", "children"),
        Output("map-seen", "data"),
        Input("map-asked", "data"),
        Input("map-tick", "n_intervals"),
        Input("map-more", "n_clicks"),
        State("map-seen", "data"),
        # A tick meanwhile would take the place of what is under way.
        running=[(Output("map-tick", "disabled"), True, False)],
    )
    async def show(choice: dict[str, Any] | None, tick: int | None, more: int | None, seen: dict[str, Any]) -> Any:
        if not choice:
            return (no_update,) * 11
        # By what is shown, not by what triggered: an answer may have been overtaken, and never been shown.
        anew = seen.get("choice") != choice
        count = anew or (ctx.triggered_id == "map-tick" and (tick or 0) % _COUNT_AGAIN == 0)
        try:
            return await _shown(ask, choice, seen, _LISTED * (1 + (more or 0)), anew=anew, count=count)
        except Refused as refused:
            return (*(no_update,) * 9, problem(refused), no_update)


async def _shown(
    ask: Ask, choice: dict[str, Any], seen: dict[str, Any], most: int, *, anew: bool, count: bool
) -> tuple[Any, ...]:
    """All outputs of `show`: those that are as `seen` tells are left alone."""
    through = (await ask.get("/api/gold/status"))["data_through"]
    filters = {**_span(choice, through), "severity": choice["severity"], "type": choice["type"], "who": choice["who"]}
    size, hexagon = choice["size"], _parsed(choice["hexagon"] or "")
    asked = [ask.get("/api/map/crashes", **filters, limit=_DOTS)]
    if count:
        asked += [ask.get("/api/map/hexagons", **filters, size=size), ask.get("/api/map/outline", size=size)]
    latest, *counts = await asyncio.gather(*asked)
    listed = latest
    if hexagon or most > _DOTS:
        where = {"size": size, "hexagon": choice["hexagon"] if hexagon else None}
        listed = await ask.get("/api/map/crashes", **filters, **where, limit=most)
    crashes = latest["rows"]
    fresh = _fresh(crashes, seen, anew=anew)
    now = {
        "known": [crash["crash_record_id"] for crash in crashes],
        "fresh": sorted(fresh),
        "through": through,
        "most": most,
        "choice": choice,
    }
    counted: list[Any] = [no_update] * 4
    if counts:
        found, outline = counts
        counted = await asyncio.to_thread(_counted, found, outline["rows"], choice, crashes, fresh, hexagon)
    elif now != seen:
        counted[0] = _dots_alone(crashes, fresh)
    if now == seen:
        return (*counted, *(no_update,) * 5, None, no_update)
    back = {} if hexagon else {"display": "none"}
    return (*counted, *_list(listed, fresh, hexagon, int(size), most), back, _through(through), None, now)


def _counted(
    found: dict[str, Any],
    outline: Sequence[Mapping[str, int]],
    choice: Mapping[str, Any],
    crashes: Sequence[Mapping[str, Any]],
    fresh: set[str],
    hexagon: tuple[int, int] | None,
) -> list[Any]:
    """The figure, its legend, what it leaves out, and the table of the hexagons with the most."""
    measure, size, hexagons = choice["measure"], int(choice["size"]), found["hexagons"]
    if measure == "risk":
        hexagons = [each for each in hexagons if each["crashes"] >= _LEAST]
    steps = steps_of(hexagons, measure)
    words = {(each["q"], each["r"]): _words(each) for each in found["hexagons"]}
    plot = city_map(
        [(each["q"], each["r"]) for each in outline],
        size,
        steps=steps,
        words=words,
        crashes=crashes,
        fresh=[crash for crash in crashes if crash["crash_record_id"] in fresh],
        chosen=hexagon,
    )
    top = sorted(hexagons, key=lambda each: (each[measure] or 0, each["crashes"]), reverse=True)[:_TOP]
    return [plot, _legend(steps, measure), _note(found), _top([each for each in top if each[measure]], choice)]


def _dots_alone(crashes: Sequence[Mapping[str, Any]], fresh: set[str]) -> Patch:
    """The figure with other dots: the hexagons need not be sent again."""
    patch = Patch()
    traces = [*dots(crashes), ring([crash for crash in crashes if crash["crash_record_id"] in fresh])]
    for place, trace in enumerate(traces, start=1 + STEPS):
        patch["data"][place]["x"] = trace["x"]
        patch["data"][place]["y"] = trace["y"]
    return patch


def _fresh(crashes: Sequence[Mapping[str, Any]], seen: Mapping[str, Any], *, anew: bool) -> set[str]:
    """Those that came while one watches, with these choices."""
    ids = {crash["crash_record_id"] for crash in crashes}
    if anew or "known" not in seen:
        return set()
    return ids & (set(seen["fresh"]) | ids - set(seen["known"]))


def _list(
    answer: Mapping[str, Any], fresh: set[str], hexagon: tuple[int, int] | None, size: int, most: int
) -> tuple[Any, str, bool]:
    """The crashes of a list, its title, and whether there are no more."""
    rows = answer["rows"][:most]
    title = f"Crashes around {address_of(*hexagon, size)}" if hexagon else "Latest crashes"
    if not rows:
        return empty("No crash is left", "Choose a longer time, or fewer filters.", "map"), title, True
    lines = [crash_line(row, fresh=row["crash_record_id"] in fresh) for row in rows]
    return html.Ol(lines, className="crash-lines"), title, not (answer["truncated"] or len(answer["rows"]) > most)


def _words(each: Mapping[str, Any]) -> str:
    risk = NOTHING if each["risk"] is None else percent(each["risk"])
    return (
        f"<b>{address(each['latitude'], each['longitude'])}</b><br>{each['crashes']:,} crashes<br>"
        f"{each['injuries']:,} with an injury, {each['severe']:,} of them severe<br>predicted risk {risk}"
    )


def _legend(steps: Sequence[Step], measure: str) -> list[Component]:
    """What the colours of the hexagons and the dots say."""
    shown = [(number, step) for number, step in enumerate(steps, start=1) if step.hexagons]
    keys = [_key(f"map-step map-step-{number}", _range(step, measure)) for number, step in shown]
    what: Any = term(_COUNTED[measure], _RISK) if measure == "risk" else _COUNTED[measure]
    least = f" (of {_LEAST} crashes or more)" if measure == "risk" else ""
    uppers = [*RISKS[1:], None]
    risks = [
        _key(f"crash-dot crash-dot-{number}", f"from {percent(low)}" if high is None else f"below {percent(high)}")
        for number, (low, high) in enumerate(zip(RISKS, uppers, strict=True), start=1)
    ]
    return [
        html.Div([html.Span([what, least], className="map-keys-title"), *keys], className="map-keys"),
        html.Div(
            [html.Span(f"The {_DOTS} latest crashes, by predicted injury", className="map-keys-title"), *risks],
            className="map-keys",
        ),
    ]


def _key(mark: str, words: str) -> Component:
    return html.Span([html.Span(className=mark, **aria(hidden="true")), words], className="map-key")


def _range(step: Step, measure: str) -> str:
    low, high = (percent(value) if measure == "risk" else f"{value:,}" for value in (step.low, step.high))
    return low if low == high else f"{low} to {high}"


def _note(found: Mapping[str, Any]) -> str:
    words = f"{number(found['crashes'])} crashes in {number(len(found['hexagons']))} hexagons"
    if found["without_place"]:
        words += f"; {number(found['without_place'])} of them have no coordinates, and are not on the map"
    return words


def _top(top: Sequence[Mapping[str, Any]], choice: Mapping[str, Any]) -> list[Any]:
    """The twin of the picture: the hexagons with the most, each of which a button chooses."""
    if not top:
        return [html.P("There is nothing of it in this choice.")]
    columns: dict[str, Any] = {
        "where": term("Around", _GRID),
        "crashes": "Crashes",
        "injuries": "With an injury",
        "severe": "Severe",
        "share": "Share with an injury",
        "risk": term("Predicted risk", _RISK),
    }
    rows = [
        {
            "where": html.Button(
                address(each["latitude"], each["longitude"]),
                id={"type": "map-pick", "hexagon": f"{each['q']},{each['r']}"},
                className="map-pick",
                title="Show its crashes",
            ),
            **{name: each[name] for name in ("crashes", "injuries", "severe")},
            "share": NOTHING if each["injury_share"] is None else percent(each["injury_share"]),
            "risk": NOTHING if each["risk"] is None else percent(each["risk"]),
        }
        for each in top
    ]
    return [table(columns, rows, label="Hexagons with the most"), html.P(_links(choice), className="map-links")]


def _links(choice: Mapping[str, Any]) -> list[Component]:
    filters = {name: choice[name] for name in ("severity", "type", "who", "from", "to") if choice.get(name)}
    return [
        html.A("CSV of all hexagons", href=f"/api/map/hexagons.csv?{urlencode({**filters, 'size': choice['size']})}"),
        html.A("CSV of the crashes", href=f"/api/map/crashes.csv?{urlencode({**filters, 'limit': 10_000})}"),
    ]


def _span(choice: Mapping[str, Any], through: str | None) -> dict[str, str | None]:
    """The days of a choice, as the API is asked for them: a period ends with the data, not with the clock."""
    if choice["period"] == OWN:
        return {"from": choice["from"], "to": choice["to"]}
    if choice["period"] == "all" or through is None:
        return {"from": None, "to": None}
    last = date.fromisoformat(through[:10])
    return {"from": (last - timedelta(days=int(choice["period"]) - 1)).isoformat(), "to": None}


def _through(text: str | None) -> list[Component]:
    at = datetime.fromisoformat(text) if text else None
    return [
        html.Span("Data through", className="through-label"),
        html.Strong(f"{day(at)}, {clock(at)}" if at else NOTHING, className="through-value"),
        html.Span("Chicago time", className="through-note"),
    ]


def _parsed(hexagon: str) -> tuple[int, int] | None:
    """`11,8` as numbers; None for anything else."""
    q, comma, r = hexagon.partition(",")
    try:
        return (int(q), int(r)) if comma and max(len(q), len(r)) <= 4 else None
    except ValueError:
        return None


def _select(id: str, label: str, choices: Mapping[str, str], value: str) -> Component:
    field: Component = dmc.Select(
        id=id, label=label, data=_options(choices), value=value, allowDeselect=False, size="md"
    )
    return field


def _options(choices: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"value": value, "label": label} for value, label in choices.items()]
