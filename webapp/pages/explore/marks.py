"""What a mark of a figure stands for: its name, and the filters that choosing it sets."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from webapp.components.outcomes import OUTCOMES
from webapp.explore.choice import UNKNOWN, Choice, understood

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOUR_BINS: Final = {"night": (0, 6), "morning": (7, 12), "afternoon": (13, 18), "evening": (19, 23)}
_HIT: Final = {"PEDESTRIAN": ["pedestrian"], "BICYCLE": ["cyclist"]}
NOT_KNOWN: Final = "Not known"
Filters = dict[str, Any]

_NAMES: Final[Mapping[str, Callable[[Any], str]]] = {
    "hour": lambda hour: f"{hour}:00",
    "day_of_week": lambda day: WEEKDAYS[day - 1],
    "is_weekend": lambda weekend: "Saturday, Sunday" if weekend else "Monday to Friday",
    "hour_bin": lambda name: f"{name.capitalize()}, {HOUR_BINS[name][0]} to {HOUR_BINS[name][1]}",
    "posted_speed_limit": lambda limit: f"{limit} mph",
    "outcome": lambda outcome: dict(OUTCOMES)[outcome],
    "veh_count": str,
}
_FILTERS: Final[Mapping[str, Callable[[Any], Filters]]] = {
    "day": lambda day: {"from": day, "to": day},
    "hour": lambda hour: {"hour_from": hour, "hour_to": hour},
    "day_of_week": lambda day: {"day_of_week": [day]},
    "is_weekend": lambda weekend: {"day_of_week": [6, 7] if weekend else [1, 2, 3, 4, 5]},
    "hour_bin": lambda name: dict(zip(("hour_from", "hour_to"), HOUR_BINS[name], strict=True)),
    "posted_speed_limit": lambda limit: {"speed_from": limit, "speed_to": limit},
    "outcome": lambda outcome: {"severity": [outcome]},
    "person_type": lambda kind: {"hit": _HIT[kind]} if kind in _HIT else {},
}

# Columns whose filter has their name and takes several values.
_PLAIN: Final = frozenset(
    {
        *("first_crash_type", "weather_condition", "lighting_condition", "prim_contributory_cause"),
        *("veh_count", "grid_id"),
    }
)


def named(key: str, value: Any) -> str:
    """A value of the column `key` as people read it: `17:00`, `Friday`, `Rear end`."""
    if value is None or value == UNKNOWN:
        return NOT_KNOWN
    return _NAMES.get(key, lambda text: str(text).capitalize())(value)


def filters(key: str, value: Any) -> Filters:
    """The filters that choose the crashes of a mark; none where it cannot be chosen."""
    if value is None:
        return {}
    if key in _PLAIN:
        return {key: [value]}
    return _FILTERS[key](value) if key in _FILTERS else {}


def chosen(choice: Choice, wanted: Filters) -> bool:
    """Whether all of `wanted` is among the filters of `choice` already."""
    given = choice.query()
    return bool(wanted) and all(
        set(value) <= set(given.get(name, ())) if isinstance(value, list) else given.get(name) == value
        for name, value in wanted.items()
    )


def lit(given: Mapping[str, Any], mark: Filters) -> bool:
    """Whether a mark lies in what is chosen of its own column, if anything is; `given` is a choice's query."""
    for name, value in mark.items():
        if isinstance(value, list):
            inside = set(value) <= set(given.get(name, ()))
        elif name.endswith("from"):
            begin, end = given.get(name), given.get(name.replace("from", "to"))
            within = (begin is None or begin <= value, end is None or value <= end)
            across = begin is not None and end is not None and begin > end  # hours across midnight
            inside = (begin, end) != (None, None) and (any(within) if across else all(within))
        else:
            continue  # the end of a span, seen with its beginning
        if not inside:
            return False
    return bool(mark)


def toggled(choice: Choice, mark: str) -> Choice:
    """The choice once a mark is clicked, whose filters are `mark` as JSON: they are set, or taken away if they are."""
    try:
        wanted = dict(json.loads(mark))
    except (TypeError, ValueError):
        return choice
    given = choice.query()
    if chosen(choice, wanted):
        return understood(
            {
                name: [one for one in value if one not in wanted[name]]
                if name in wanted and isinstance(value, list)
                else value
                for name, value in given.items()
                if name not in wanted or isinstance(value, list)
            }
        )
    if len(wanted) == 1:  # several values of one filter may be chosen, one click after the other
        wanted = {
            name: [*given.get(name, ()), *(one for one in value if one not in given.get(name, ()))]
            if isinstance(value, list)
            else value
            for name, value in wanted.items()
        }
    return understood(given | wanted)
