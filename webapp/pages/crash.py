"""One crash: what it was, what the models say of it and why, what became of it, and where its row came from."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.amendments import amendments
from webapp.components.city_map import city_map, graph
from webapp.components.crash_line import NO_STREET, kind, outcome, when
from webapp.components.explanation import explanation
from webapp.components.heading import heading
from webapp.components.probability import percent, probability
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import NOTHING, number
from webapp.components.trail import trail
from webapp.hexgrid import address

_TARGETS: Final = {"injury": "An injury", "injury_severe": "A severe injury"}
_OUTLINE: Final = 1000

_FACTS: Final = {
    "first_crash_type": "First collision",
    "prim_contributory_cause": "Main cause",
    "weather_condition": "Weather",
    "lighting_condition": "Light",
    "roadway_surface_cond": "Road surface",
    "trafficway_type": "Kind of road",
    "traffic_control_device": "Sign or signal",
    "posted_speed_limit": "Speed limit, mph",
    "hit_and_run_i": "Hit and run",
    "damage": "Damage",
}
_VEHICLES: Final = {
    "unit_no": "Unit",
    "unit_type": "What it is",
    "vehicle_type": "Vehicle",
    "make": "Make",
    "model": "Model",
    "vehicle_year": "Year",
    "maneuver": "Maneuver",
    "travel_direction": "Heading",
    "first_contact_point": "First contact",
    "vehicle_defect": "Defect",
}
_PEOPLE: Final = {
    "unit": "Unit",
    "person_type": "Who",
    "age": "Age",
    "sex": "Sex",
    "injury_classification": "Injury",
    "safety_equipment": "Safety equipment",
    "airbag_deployed": "Airbag",
    "ejection": "Ejection",
    "driver_action": "Driver's action",
    "pedpedal_action": "Action on foot or bicycle",
}
# Names that stay as they are; all other text of the portal is in capitals, and easier to read in small letters.
_NAMES: Final = frozenset({"make", "model", "sex", "travel_direction"})
_YEAR: Final = "vehicle_year"


def layout(ask: Ask, crash_id: str = "", **_: str) -> Component:
    """The frame; what is known of the crash comes by callback."""
    return html.Div(
        [
            dcc.Store(id="crash-id", data=crash_id),
            dcc.Store(id="crash-found"),
            html.Div(_waiting(), id="crash-main", className="crash-main"),
            html.Div(id="crash-history"),
            html.Div(id="crash-lineage"),
        ],
        className="crash",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Fill the page from above: what became of the crash takes longer, and must not be pushed down once it is there."""

    @app.callback(Output("crash-main", "children"), Output("crash-found", "data"), Input("crash-id", "data"))
    async def main(crash_id: str) -> Any:
        try:
            found = await ask.get(_api(crash_id))
        except Refused as refused:
            shown = _missing(crash_id) if refused.status == 404 else [heading("Crash", NOTHING), problem(refused)]
            return shown, None
        try:
            outline = (await ask.get("/api/map/outline", size=_OUTLINE))["rows"]
        except Refused:
            outline = []
        return await asyncio.to_thread(_main, found, [(each["q"], each["r"]) for each in outline]), crash_id

    @app.callback(Output("crash-history", "children"), Input("crash-found", "data"))
    async def history(crash_id: str | None) -> Any:
        if crash_id is None:
            return None
        try:
            told: Any = amendments(await ask.get(_api(crash_id) + "/history"))
        except Refused as refused:
            told = problem(refused)
        return _section("What became of it", told)

    @app.callback(Output("crash-lineage", "children"), Input("crash-found", "data"))
    async def lineage(crash_id: str | None) -> Any:
        if crash_id is None:
            return None
        try:
            told: Any = trail(await ask.get(f"/api/lineage/crashes/{quote(crash_id, safe='')}"))
        except Refused as refused:
            told = problem(refused)
        return _section("Where its row came from", told)


def _main(found: Mapping[str, Any], outline: Sequence[tuple[int, int]]) -> list[Component]:
    crash, people = found["crash"], found["people"]
    injured = crash["injuries_total"]
    lead = f"{when(crash['crash_date'])} · {_street(crash)}"
    state = html.P(
        [
            html.Span("What came of it", className="through-label"),
            html.Strong(outcome(crash).capitalize(), className="through-value"),
            html.Span(
                "people of it are not reported yet" if injured is None else f"{number(injured)} injured",
                className="through-note",
            ),
        ],
        className="through",
    )
    units = {vehicle["vehicle_id"]: vehicle["unit_no"] for vehicle in found["vehicles"] if vehicle["vehicle_id"]}
    told = [{**person, "unit": units.get(person["vehicle_id"])} for person in people]
    return [
        heading(kind(crash["first_crash_type"]), lead, state),
        html.Div(
            [
                _section("Where", _place(crash, outline)),
                _section("What was reported", _facts(crash)),
            ],
            className="crash-columns",
        ),
        _section("What the models say, and why", _scores(found["scores"])),
        _section(
            f"Vehicles and other units ({len(found['vehicles'])})", _rows(_VEHICLES, found["vehicles"], "Vehicles")
        ),
        _section(f"People ({len(people)})", _rows(_PEOPLE, told, "People")),
        _all(found),
    ]


def _place(crash: Mapping[str, Any], outline: Sequence[tuple[int, int]]) -> list[Component]:
    if crash["latitude"] is None:
        return [html.P("The city has published no coordinates of it, or impossible ones."), html.P(_street(crash))]
    at = crash["latitude"], crash["longitude"]
    plot = city_map(outline, _OUTLINE, at=at, still=True)
    label = f"Map of Chicago with a star where the crash was: about {address(*at)}"
    return [
        graph("crash-place", plot, label=label, still=True),
        html.P(f"About {address(*at)}; {at[0]:.5f}, {at[1]:.5f}; beat {crash['beat_of_occurrence'] or NOTHING}"),
    ]


def _facts(crash: Mapping[str, Any]) -> Component:
    pairs = [
        html.Div([html.Dt(title), html.Dd(_value(name, crash[name]))], className="crash-fact")
        for name, title in _FACTS.items()
    ]
    return html.Dl(pairs, className="crash-facts")


def _scores(scores: Sequence[Mapping[str, Any]]) -> Component:
    if not scores:
        return html.P("No model has scored it yet: that takes a second once one serves, and the crash is in Gold.")
    return html.Div([_score(score) for score in scores], className="crash-scores")


def _score(score: Mapping[str, Any]) -> Component:
    title = _TARGETS.get(score["target"], score["target"])
    why = (
        explanation(score["contributions"])
        if score["contributions"]
        else html.P("The model that said so cannot be read, and no reasons were kept with the score.")
    )
    by = html.P(
        [
            "By the model ",
            html.Code(score["model_version"]),
            ", of the tier ",
            term(
                score["tier"], "What a model may know: what is known before a crash, at its scene, or from its report."
            ),
        ],
        className="crash-by",
    )
    if score["threshold"] is None:
        return html.Div([html.P([title, ": ", html.Strong(percent(score["probability"]))]), why, by])
    return probability(
        title,
        score["probability"],
        score["threshold"],
        below=html.Div([why, by]),
        id=f"crash-probability-{score['target']}",
    )


def _rows(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], label: str) -> Component:
    if not rows:
        return html.P("None is reported yet; they often come hours after their crash.")
    known = {name: title for name, title in columns.items() if any(row[name] is not None for row in rows)}
    return table(known, [{name: _value(name, row[name]) for name in known} for row in rows], label=label)


def _all(found: Mapping[str, Any]) -> Component:
    """Every column that has a value, as Gold has it."""
    shown = [
        {"column": html.Code(name), "value": str(value)}
        for name, value in found["crash"].items()
        if value is not None and value != []
    ]
    crash_id = found["crash"]["crash_record_id"]
    return html.Details(
        [
            html.Summary("All columns of the crash"),
            table({"column": "Column", "value": "Value"}, shown, label="All columns of the crash"),
            html.P(
                [
                    html.A("As JSON", href=_api(crash_id)),
                    " · ",
                    html.A("as CSV", href=f"{_api(crash_id)}?format=csv"),
                ]
            ),
        ],
        className="figures crash-all",
    )


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value if name in _NAMES else value.capitalize()
    return str(value) if name == _YEAR and value is not None else NOTHING if value is None else _said(value)


def _said(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _street(crash: Mapping[str, Any]) -> str:
    parts = (crash["street_no"], crash["street_direction"], crash["street_name"])
    return " ".join(str(part) for part in parts if part is not None) or NO_STREET


def _section(title: str, children: Any) -> Component:
    return html.Section([html.H2(title), html.Div(children)], className="card crash-section")


def _missing(crash_id: str) -> list[Component]:
    return [
        heading("There is no such crash", "It may not have come yet, or the city has deleted it."),
        html.Div(
            [
                html.P(["Gold has no crash ", html.Code(crash_id or "without an id"), "."]),
                dcc.Link("Look for it on the map", href="/map"),
            ],
            className="card stack crash-missing",
        ),
    ]


def _waiting() -> list[Component]:
    return [heading("Crash", NOTHING), html.Div(className="card crash-waiting")]


def _api(crash_id: str) -> str:
    return f"/api/crashes/{quote(crash_id, safe='')}"
