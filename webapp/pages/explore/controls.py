"""The filters as fields, and what is chosen as chips that can be taken away."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.days import chosen as chosen_days
from webapp.components.days import days
from webapp.components.outcomes import OUTCOMES
from webapp.components.text import span
from webapp.explore.choice import Choice, understood
from webapp.pages.explore.marks import WEEKDAYS, named

FASTEST: Final = 70
# Fields in the order of their callback; each one's filters.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "explore-days": ("from", "to"),
    "explore-compare": ("compare_from", "compare_to"),
    "explore-severity": ("severity",),
    "explore-hit": ("hit",),
    "explore-type": ("first_crash_type",),
    "explore-weather": ("weather_condition",),
    "explore-lighting": ("lighting_condition",),
    "explore-weekdays": ("day_of_week",),
    "explore-hours": ("hour_from", "hour_to"),
    "explore-speeds": ("speed_from", "speed_to"),
}
# Fields whose values are those that Gold has: the figure that lists them.
LISTED: Final = {
    "explore-type": ("crash-types", "first_crash_type"),
    "explore-weather": ("weather", "weather_condition"),
    "explore-lighting": ("lighting", "lighting_condition"),
}
_HITS: Final = {"pedestrian": "Somebody on foot", "cyclist": "Somebody on a bicycle", "motorist": "Neither"}
_LABELS: Final = {
    "severity": "Outcome",
    "hit": "Who was in it",
    "first_crash_type": "Crash type",
    "weather_condition": "Weather",
    "lighting_condition": "Lighting",
    "prim_contributory_cause": "Cause",
    "day_of_week": "Weekday",
    "veh_count": "Units",
    "grid_id": "Place",
}


def fields(choice: Choice) -> Component:
    """Every field, as `choice` has it."""
    values = dict(zip(FIELDS, in_fields(choice), strict=True))
    given = choice.query()
    periods = [
        days("explore-days", given.get("from"), given.get("to"), label="Days"),
        days(
            "explore-compare",
            given.get("compare_from"),
            given.get("compare_to"),
            label="Compare with days",
            placeholder="No second period",
        ),
        html.Div(
            [
                dmc.Button("The days before", id="explore-before", variant="default", size="sm"),
                dmc.Button("A year earlier", id="explore-year", variant="default", size="sm"),
            ],
            className="explore-quick",
            role="group",
            **aria(label="Compare with"),
        ),
    ]
    several = [
        _several("explore-severity", "Outcome", [{"value": name, "label": label} for name, label in OUTCOMES], values),
        _several("explore-hit", "Who was in it", [{"value": k, "label": v} for k, v in _HITS.items()], values),
        *(
            _several(id, _LABELS[FIELDS[id][0]], [option(FIELDS[id][0], value) for value in values[id]], values)
            for id in LISTED
        ),
        _several(
            "explore-weekdays",
            "Weekday",
            [{"value": str(number), "label": name} for number, name in enumerate(WEEKDAYS, 1)],
            values,
        ),
        _range("explore-hours", "Hours of the day", 23, [0, 6, 12, 18, 23], values),
        _range("explore-speeds", "Speed limit, mph", FASTEST, [0, 20, 40, 60], values),
    ]
    return html.Div(
        [
            html.Div(periods, className="explore-periods"),
            html.Details(
                [html.Summary("More filters"), html.Div(several, className="explore-more")],
                open=any(name not in ("from", "to", "compare_from", "compare_to") for name in given),
            ),
        ],
        className="card explore-filters",
    )


def in_fields(choice: Choice) -> list[Any]:
    """What each of `FIELDS` shows for `choice`."""
    given = choice.query()
    hours = [choice.hour_from or 0, 23 if choice.hour_to is None else choice.hour_to]
    speeds = [choice.speed_from or 0, FASTEST if choice.speed_to is None else choice.speed_to]
    return [
        _both(given.get("from"), given.get("to")),
        _both(given.get("compare_from"), given.get("compare_to")),
        *([str(one) for one in given.get(names[0], ())] for names in list(FIELDS.values())[2:8]),
        hours if hours[0] <= hours[1] else [0, 23],  # hours across midnight are a chip alone
        speeds,
    ]


def changed(choice: Choice, field: str, value: Any) -> Choice:
    """`choice` once the person at the page has set `field`."""
    names = FIELDS[field]
    ends: Sequence[Any] = value or (None, None)
    if field in ("explore-days", "explore-compare"):
        if value and bool(value[0]) != bool(value[1]):
            return choice  # the last day is still to be picked
        ends = chosen_days(value)
    elif field == "explore-hours":
        ends = (value[0], value[1]) if value != [0, 23] else (None, None)
    elif field == "explore-speeds":
        ends = (value[0] or None, value[1] if value[1] < FASTEST else None)
    given = {name: one for name, one in choice.query().items() if name not in names}
    if len(names) == 1:
        return understood(given | {names[0]: value or []})
    return understood(given | {name: one for name, one in zip(names, ends, strict=True) if one is not None})


def option(name: str, value: str) -> dict[str, str]:
    """A value of a filter, to be picked from a list."""
    return {"value": value, "label": _word(name, value)}


def chips(choice: Choice) -> list[Component]:
    """A button for each filter that takes it away."""
    found = [_chip(words, names, value) for words, names, value in told(choice)]
    clear = dmc.Button("Clear all", id="explore-clear", variant="subtle", size="sm", display=None if found else "none")
    return [*found, clear]


def told(choice: Choice) -> Iterator[tuple[str, str, str]]:
    """Each filter in words, its names with blanks between, and the value of it that can be taken away by itself."""
    given = choice.query()
    for title, first, last in (("Days", "from", "to"), ("Compared with", "compare_from", "compare_to")):
        if first in given or last in given:
            yield f"{title}: {_days(given.get(first), given.get(last))}", f"{first} {last}", ""
    if "hour_from" in given or "hour_to" in given:
        begin, end = given.get("hour_from", 0), given.get("hour_to", 23)
        yield f"Hour: {begin}:00 to {end}:59", "hour_from hour_to", ""
    if "speed_from" in given or "speed_to" in given:
        begin, end = given.get("speed_from", 0), given.get("speed_to")
        words = f"{begin} mph" if begin == end else f"{begin} to {end} mph" if end is not None else f"from {begin} mph"
        yield f"Speed limit: {words}", "speed_from speed_to", ""
    for name, label in _LABELS.items():
        for value in given.get(name, ()):
            yield f"{label}: {_word(name, value)}", name, str(value)


def without(choice: Choice, names: str, value: str) -> Choice:
    """`choice` once a chip is taken away."""
    given = choice.query()
    for name in names.split():
        whole = given.pop(name, None)
        if value:
            given[name] = [one for one in whole or () if str(one) != value]
    return understood(given)


def _chip(words: str, names: str, value: str) -> Component:
    return html.Button(
        [words, html.Span("×", className="explore-cross", **aria(hidden="true"))],
        id={"type": "explore-drop", "names": names, "value": value},
        className="explore-chip",
        title="Take this filter away",
    )


def _word(name: str, value: Any) -> str:
    if name == "hit":
        return _HITS[value]
    if name == "grid_id":
        return str(value).replace("_", ", ")
    return named({"severity": "outcome"}.get(name, name), value)


def _both(first: str | None, last: str | None) -> list[str | None]:
    return [first, last] if first and last else [None, None]  # else the field would wait for the other one


def _days(first: str | None, last: str | None) -> str:
    if first and last:
        return span(date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1))
    return f"from {first}" if first else f"to {last}"


def _several(id: str, label: str, data: Sequence[Mapping[str, str]], values: Mapping[str, Any]) -> Component:
    field: Component = dmc.MultiSelect(
        id=id,
        label=label,
        data=list(data),
        value=values[id],
        placeholder="Any",
        searchable=True,
        clearable=True,
        hidePickedOptions=True,
        maxDropdownHeight=280,
    )
    return field


def _range(id: str, label: str, most: int, marks: Sequence[int], values: Mapping[str, Any]) -> Component:
    return html.Div(
        [
            html.Span(label, className="explore-label", id=f"{id}-label"),
            dmc.RangeSlider(
                id=id,
                min=0,
                max=most,
                step=1 if most < FASTEST else 5,
                minRange=0,
                value=values[id],
                marks=[{"value": mark, "label": str(mark)} for mark in marks],
                updatemode="mouseup",
                thumbFromLabel=f"{label}: from",
                thumbToLabel=f"{label}: to",
                size="sm",
            ),
        ],
        className="explore-range",
    )
