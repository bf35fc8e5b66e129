"""The figures: what each shows, and its SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from webapp.explore.choice import UNKNOWN, Choice, crashes
from webapp.queries import SQL

Name = Literal[
    "totals",
    "days",
    "hours",
    "weekday-hours",
    "weekdays",
    "weekend",
    "hour-bins",
    "hit-and-run",
    "speed-limits",
    "weather",
    "lighting",
    "outcomes",
    "crash-types",
    "vehicle-counts",
    "causes",
    "vehicle-types",
    "people",
    "ages",
    "places",
]

# What a tally says of each of its rows, after the columns that it is by.
TALLIED: Final[Mapping[str, str]] = {
    "crashes": "how many",
    "per_day": "crashes a day, over the days of the period that Gold has crashes of",
    "no_injury": "crashes in which nobody was hurt",
    "injury": "crashes with an injury, but no severe one",
    "severe": "crashes with a fatal or incapacitating injury",
    "unknown": "crashes whose injuries are not known yet",
    "hits": "crashes that the rate counts",
    "known": "crashes that the rate is of",
    "rate": "hits / known",
    "low": "lower end of the rate's interval of 95 % (Wilson)",
    "high": "upper end of it",
}
_PERIOD: Final = {"period": "chosen, or compared"}


@dataclass(frozen=True)
class Figure:
    """A figure. A tally counts crashes by `keys`, a column of the answer: its SQL; others have SQL of their own.

    That SQL is over columns of `by`, which are those of `crash_facets` that the crashes are counted by at first.
    """

    title: str
    says: str
    keys: Mapping[str, str] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    # Which crashes the rate of a tally counts, and which it is of: codes of the outcome are those of Gold's facets.
    hits: str = "outcome >= 6"
    known: str = "outcome >= 3"
    # Which days count for a row's crashes a day; all of them unless the row is of certain ones only.
    days_by: str = "true"
    order: str = ""  # by the keys
    sql: str = "tally"
    facets: str = "crash_facets"
    columns: Mapping[str, str] = field(default_factory=lambda: TALLIED)

    @property
    def described(self) -> dict[str, str]:
        """Every column of the answer, and what it holds."""
        keys = dict.fromkeys(self.keys, f"as in Gold; {UNKNOWN} where it is not known")
        return _PERIOD | keys | dict(self.columns)

    def question(self, choice: Choice) -> tuple[str, dict[str, Any]]:
        """The SQL and the parameters that answer for the crashes of `choice`."""
        begin, parameters = crashes(choice, self.facets)
        text = SQL[f"explore/{self.sql}"]
        if self.sql == "tally":
            text = (
                text.replace("{keys}", "".join(f'"{name}", ' for name in self.keys))
                .replace("{named_keys}", "".join(f'{key} as "{name}", ' for name, key in self.keys.items()))
                .replace("{by}", "".join(f'"{name}", ' for name in self.by))
                .replace("{hits}", self.hits)
                .replace("{known}", self.known)
                .replace("{days_by}", self.days_by)
                .replace("{order}", self.order or ", ".join(self.keys) or "period")
            )
        return begin + text, parameters


def _by(column: str, title: str, says: str, order: str = "crashes desc", **more: Any) -> Figure:
    keys = {column: f"word_of('{column}', {column})"}
    return Figure(title, says, keys, (column,), order=f"{order}, {column}", **more)


def _number(column: str, title: str, says: str, **more: Any) -> Figure:
    return Figure(title, says, {column: f'"{column}"::integer'}, (column,), order=f'"{column}" nulls last', **more)


FIGURES: Final[Mapping[Name, Figure]] = {
    "totals": Figure("Totals", "All crashes of the choice, and how many injured somebody."),
    "days": Figure(
        "Crashes a day",
        "Each day, and the mean of seven days, which is free of the week's ups and downs.",
        sql="days",
        columns={
            "day": "a day that Gold has crashes of",
            "crashes": "how many of the choice, 0 too",
            "mean_7_days": "the mean of the seven days that end here; null until there are seven",
            **{name: TALLIED[name] for name in ("no_injury", "injury", "severe", "unknown")},
        },
    ),
    "hours": _number("hour", "Hour of day", "Crashes and injury rate by the hour they began in, Chicago time."),
    "weekday-hours": Figure(
        "Hour and weekday",
        "Crashes in each hour of an average Monday, Tuesday, …; 1 is Monday.",
        {"day_of_week": "day_of_week::integer", "hour": '"hour"::integer'},
        ("day_of_week", "hour"),
        days_by="day_of_week",
    ),
    "weekdays": _number(
        "day_of_week", "Weekday", "Crashes on an average Monday, …; 1 is Monday.", days_by="day_of_week"
    ),
    "weekend": Figure(
        "Weekend",
        "Crashes on an average day of the weekend, and of the week.",
        {"is_weekend": "day_of_week >= 6"},
        ("day_of_week",),
        days_by="day_of_week >= 6",
    ),
    "hour-bins": Figure(
        "Part of the day",
        "Night is 0-6, morning 7-12, afternoon 13-18, evening 19-23.",
        {
            "hour_bin": """case when "hour" <= 6 then 'night' when "hour" <= 12 then 'morning'
                when "hour" <= 18 then 'afternoon' else 'evening' end"""
        },
        ("hour",),
        order="list_position(['night', 'morning', 'afternoon', 'evening'], hour_bin)",
    ),
    "hit-and-run": Figure(
        "Hit and run",
        "The share of crashes by hour that somebody fled from.",
        {"hour": '"hour"::integer'},
        ("hour", "hit_and_run"),
        hits="hit_and_run",
        known="true",
    ),
    "speed-limits": _number(
        "posted_speed_limit", "Speed limit", "Crashes and injury rate by the posted limit, in mph."
    ),
    "weather": _by("weather_condition", "Weather", "Crashes and injury rate by weather."),
    "lighting": _by("lighting_condition", "Lighting", "Crashes and injury rate by light."),
    "outcomes": Figure(
        "Injuries",
        "How badly the worst hurt person of a crash was hurt.",
        {
            "outcome": """case when outcome in (2, 5, 8) then 'severe' when outcome in (6, 7) then 'injury'
                when outcome in (3, 4) then 'no_injury' else 'unknown' end"""
        },
        order="list_position(['no_injury', 'injury', 'severe', 'unknown'], outcome)",
    ),
    "crash-types": _by("first_crash_type", "Crash type", "What first happened, and how often somebody was hurt."),
    "vehicle-counts": _number(
        "veh_count", "Units", "How many vehicles, and people on foot or bicycle, were in the crash."
    ),
    "causes": _by(
        "prim_contributory_cause",
        "Main cause",
        "What the police gave as the main cause, and the share of crashes with a severe injury.",
        hits="outcome in (2, 5, 8)",
        known="outcome in (1, 2, 4, 5, 7, 8)",
    ),
    "vehicle-types": Figure(
        "Vehicle type",
        "Which vehicles were in the crashes, and how often somebody was hurt in such a crash.",
        sql="vehicles",
        facets="vehicle_facets",
        columns={
            "vehicle_type": f"as in Gold; {UNKNOWN} where it is not known",
            "vehicles": "how many",
            "per_day": "vehicles a day",
            "hits": "vehicles in a crash with an injury",
            "known": "vehicles in a crash whose outcome is known",
            "rate": "hits / known",
        },
    ),
    "people": Figure(
        "Who was hurt",
        "People by what they were in the crash, and how badly they were hurt.",
        sql="people",
        facets="people_facets",
        columns={
            "person_type": f"as in Gold; {UNKNOWN} where it is not known",
            "injury_classification": f"as in Gold; {UNKNOWN} where it is not known",
            "people": "how many",
            "per_day": "people a day",
        },
    ),
    "ages": Figure(
        "Age",
        "How old people were, by how badly they were hurt.",
        sql="ages",
        facets="people_facets",
        columns={
            "injury_classification": f"as in Gold; {UNKNOWN} where it is not known",
            "people": "how many",
            "known": "how many of known age",
            "mean": "their mean age",
            "p5": "5 % of them are this old or younger",
            "p25": "25 %",
            "p50": "half of them",
            "p75": "75 %",
            "p95": "95 %",
        },
    ),
    "places": Figure(
        "Places",
        "Crashes and injury rate by squares of a hundredth of a degree; where no place is known it is null.",
        {
            "grid_id": "word_of('grid_id', grid_id)",
            "lat": "split_part(word_of('grid_id', grid_id), '_', 1)::double",
            "lng": "split_part(word_of('grid_id', grid_id), '_', 2)::double",
        },
        ("grid_id",),
    ),
}
