"""The cards of each view: which figure, drawn how, and which filters it sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from webapp.explore.figures import Name
from webapp.pages.explore import plots
from webapp.pages.explore.plots import Draw

_HOURS: Final = ("hour_from", "hour_to")
_SPEEDS: Final = ("speed_from", "speed_to")


@dataclass(frozen=True)
class Card:
    """A figure of the API, drawn in one of its ways.

    A mark that is clicked sets the filters `sets`; the card itself is drawn without them, so that its other marks stay
    there to be chosen.
    """

    title: str
    figure: Name
    draw: Draw
    sets: tuple[str, ...] = ()
    wide: bool = False
    width: int | None = None  # in pixels; else as wide as the card


VIEWS: Final[Mapping[str, Mapping[str, Card]]] = {
    "When": {
        "days": Card("Crashes a day", "days", plots.days, ("from", "to"), wide=True),
        "hours": Card("Hour of day", "hours", plots.counts("hour"), _HOURS),
        "hour-rates": Card("Injury rate by hour", "hours", plots.rates("hour", "with an injury"), _HOURS),
        "week": Card("Hour and weekday", "weekday-hours", plots.week, ("day_of_week", *_HOURS), wide=True),
        "weekend": Card("Weekend and week", "weekend", plots.a_day("is_weekend"), ("day_of_week",)),
        "weekdays": Card("Weekday", "weekdays", plots.a_day("day_of_week"), ("day_of_week",)),
        "hour-bins": Card("Part of the day", "hour-bins", plots.counts("hour_bin"), _HOURS),
        "hit-and-run": Card("Hit and run by hour", "hit-and-run", plots.rates("hour", "somebody fled from"), _HOURS),
    },
    "Conditions": {
        "speed-limits": Card("Speed limit", "speed-limits", plots.counts("posted_speed_limit"), _SPEEDS),
        "speed-rates": Card(
            "Injury rate by speed limit", "speed-limits", plots.rates("posted_speed_limit", "with an injury"), _SPEEDS
        ),
        "weather": Card("Weather", "weather", plots.counts("weather_condition", sideways=True), ("weather_condition",)),
        "weather-rates": Card(
            "Injury rate by weather",
            "weather",
            plots.rates("weather_condition", "with an injury", sideways=True),
            ("weather_condition",),
        ),
        "lighting": Card(
            "Lighting", "lighting", plots.counts("lighting_condition", sideways=True), ("lighting_condition",)
        ),
        "lighting-rates": Card(
            "Injury rate by lighting",
            "lighting",
            plots.rates("lighting_condition", "with an injury", sideways=True),
            ("lighting_condition",),
        ),
        "speed-outcomes": Card("Speed limit by outcome", "speed-limits", plots.speed_by_outcome, _SPEEDS, wide=True),
    },
    "What": {
        "outcomes": Card("Injuries", "outcomes", plots.counts("outcome", sideways=True), ("severity",)),
        "vehicle-counts": Card("Units in the crash", "vehicle-counts", plots.counts("veh_count"), ("veh_count",)),
        "crash-types": Card(
            "Crash type", "crash-types", plots.counts("first_crash_type", sideways=True), ("first_crash_type",)
        ),
        "crash-outcomes": Card(
            "Crash type by outcome", "crash-types", plots.shares("first_crash_type"), ("first_crash_type",)
        ),
        "causes": Card(
            "Main cause",
            "causes",
            plots.counts("prim_contributory_cause", sideways=True),
            ("prim_contributory_cause",),
        ),
        "cause-rates": Card(
            "Severe injuries by cause",
            "causes",
            plots.rates("prim_contributory_cause", "with a severe injury", sideways=True),
            ("prim_contributory_cause",),
        ),
    },
    "Who, where": {
        "people": Card("Who was hurt", "people", plots.people, ("hit",)),
        "ages": Card("Age by injury", "ages", plots.ages),
        "vehicle-types": Card("Vehicle type", "vehicle-types", plots.vehicles),
        "places": Card("Where", "places", plots.places, ("grid_id",), width=plots.PLACES_WIDTH),
    },
}
CARDS: Final = {name: card for view in VIEWS.values() for name, card in view.items()}
