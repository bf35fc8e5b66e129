"""Why a model thinks so: what pushed a probability up, what pushed it down, and how far."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import html
from dash.development.base_component import Component

from models.features import FEATURES
from webapp.components.aria import aria
from webapp.components.term import term

_FEATURES: Final = {feature.name: feature for feature in FEATURES}

# Features that tell the same in several ways; their contributions are added, and the value is that of the one named.
_TOGETHER: Final[Mapping[str, str]] = {
    "hour_sin": "hour",
    "hour_cos": "hour",
    "is_weekend": "weekday",
    "latitude": "from_centre",
    "longitude": "from_centre",
}

# Where the table's meaning is written for whoever trains a model.
_WORDS: Final[Mapping[str, str]] = {
    "hour": "time of day",
    "weekday": "day of the week",
    "month": "month",
    "is_holiday": "a holiday or its eve",
    "from_centre": "place",
    "district": "police district",
    "street_kind": "kind of street",
    "street_direction": "side of the city",
    "posted_speed_limit": "speed limit",
    "trafficway_type": "kind of road",
    "traffic_control_device": "sign or signal",
    "device_condition": "state of the sign or signal",
    "weather_condition": "weather",
    "lighting_condition": "light",
    "roadway_surface_cond": "road surface",
    "num_units": "units involved",
    "vehicles": "vehicles involved",
    "persons": "people involved",
    "age_youngest": "age of the youngest",
    "age_oldest": "age of the oldest",
    "age_mean": "average age",
    "report_type": "how it was reported",
    "damage": "estimated damage",
    "prim_contributory_cause": "main cause",
    "sec_contributory_cause": "second cause",
}
_UNITS: Final[Mapping[str, str]] = {
    "posted_speed_limit": "mph",
    "from_centre": "km from State and Madison",
    "notified_after": "h",
}
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
# Moves the odds by less than a hundredth: nothing to look at.
_LEAST: Final = 0.01
_MOST: Final = 8


def explanation(contributions: Sequence[Mapping[str, Any]], *, most: int = _MOST) -> Component:
    """The `most` largest as bars to the right (up) and to the left (down); the others, added, as one.

    Each has `feature`, `contribution` in log-odds, and `value` as text, null where it is not known; without the key
    `value` none is shown.
    """
    found = [each for each in _gathered(contributions) if abs(each["contribution"]) >= _LEAST]
    if not found:
        return html.P("Nothing about it stands out.", className="why-none")
    found.sort(key=lambda each: -abs(each["contribution"]))
    shown, rest = found[:most], found[most:]
    widest = abs(shown[0]["contribution"])
    lines = [_line(_words(each), each["contribution"], widest) for each in shown]
    if abs(together := sum(each["contribution"] for each in rest)) >= _LEAST:
        lines.append(_line([f"{len(rest)} smaller ones together"], together, widest))
    head = html.P(
        [
            html.Span("◀ less probable", className="why-down-word"),
            html.Span("more probable ▶", className="why-up-word"),
            term("odds", "Probable against improbable: 1 in 4 is odds of 1 to 3. × 2 doubles them, ÷ 2 halves them."),
        ],
        className="why-head",
    )
    return html.Div([head, html.Ul(lines, className="why-list")], className="why")


def value_in_words(feature: str, value: str | None) -> str:
    """The value of a feature, as text, the way people say it."""
    if value is None:
        return "not known"
    known = _FEATURES.get(feature)
    if known is None or known.kind == "category":
        return category_in_words(value)
    if known.kind == "flag":
        return "yes" if value == "true" else "no"
    amount = float(value)
    if feature == "weekday":
        return _WEEKDAYS[int(amount) - 1]
    if feature == "month":
        return _MONTHS[int(amount) - 1]
    if feature == "hour":
        return f"{int(amount) % 12 or 12} {'AM' if amount < 12 else 'PM'}"
    return " ".join([f"{amount:,.4g}", *([_UNITS[feature]] if feature in _UNITS else [])])


def category_in_words(value: str) -> str:
    """A published category, which is in capitals: `Darkness, lighted road`; short ones are codes, and stay."""
    return value if len(value) <= 2 else value.capitalize().replace("(suv)", "(SUV)")


def feature_in_words(feature: str) -> str:
    """What a feature is, in few plain words."""
    known = _FEATURES.get(feature)
    return _WORDS.get(feature) or (known.meaning if known else feature.replace("_", " "))


def _gathered(contributions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    gathered: dict[str, dict[str, Any]] = {}
    for each in contributions:
        name = _TOGETHER.get(each["feature"], each["feature"])
        one = gathered.setdefault(name, {"feature": name, "contribution": 0.0})
        one["contribution"] += each["contribution"]
        if each["feature"] == name and "value" in each:
            one["value"] = each["value"]
    return list(gathered.values())


def _words(each: Mapping[str, Any]) -> list[Any]:
    name = feature_in_words(each["feature"])
    if "value" not in each:
        return [name]
    return [f"{name}: ", html.Strong(value_in_words(each["feature"], each["value"]))]


def _line(words: list[Any], contribution: float, widest: float) -> Component:
    up = contribution > 0
    size = min(abs(contribution) / widest, 1.0)
    factor = math.exp(abs(contribution))
    return html.Li(
        [
            html.Span(words, className="why-words"),
            html.Span(
                html.Span(className="why-fill", style={"width": f"{50 * size:.1f}%"}),
                className="why-bar",
                **aria(hidden="true"),
            ),
            html.Span(
                [
                    html.Span("more probable, odds" if up else "less probable, odds", className="why-said"),
                    f" {'×' if up else '÷'} {factor:,.2f}" if factor < 10 else f" {'×' if up else '÷'} {factor:,.0f}",
                ],
                className="why-odds",
            ),
        ],
        className=f"why-line why-{'up' if up else 'down'}",
    )
