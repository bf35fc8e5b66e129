"""Which crashes a figure is of: one set of filters, the same for every figure."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from streams.storage.gold.facets import OUTCOMES, WHO
from webapp.queries import SQL

Severity = Literal["no_injury", "injury", "severe", "unknown"]
Hit = Literal["pedestrian", "cyclist", "motorist"]
Text = Annotated[str, Field(min_length=1, max_length=100)]
Hour = Annotated[int, Field(ge=0, le=23)]
Speed = Annotated[int, Field(ge=0, le=99)]

# What figures and filters call a text that the portal left out, or published as one of its words for unknown.
UNKNOWN: Final = "UNKNOWN"


def _several(meaning: str, *examples: Any) -> Any:
    return Field(default=(), max_length=50, description=f"{meaning}; may be given several times", examples=[*examples])


class Choice(BaseModel):
    """Filters of crashes; a crash is counted if it meets all that are given. Leave all out for all crashes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    first: date | None = Field(None, alias="from", description="first day of crashes", examples=["2024-01-01"])
    last: date | None = Field(None, alias="to", description="last day, included", examples=["2024-03-31"])
    compare_from: date | None = Field(None, description="first day of a second period, to compare with")
    compare_to: date | None = Field(None, validate_default=True, description="last day of the second period, included")
    severity: tuple[Severity, ...] = _several(
        "outcome: `severe` is fatal or incapacitating, `injury` any lesser one, `unknown` not known yet", ["severe"]
    )
    first_crash_type: tuple[Text, ...] = _several("as published, or UNKNOWN", ["REAR END"])
    weather_condition: tuple[Text, ...] = _several("as published, or UNKNOWN", ["RAIN", "SNOW"])
    lighting_condition: tuple[Text, ...] = _several("as published, or UNKNOWN", ["DUSK"])
    prim_contributory_cause: tuple[Text, ...] = _several("as published, or UNKNOWN", ["WEATHER"])
    hour_from: Hour | None = Field(None, description="first hour of the day; after `hour_to`: across midnight")
    hour_to: Hour | None = Field(None, description="last hour of the day, included")
    day_of_week: tuple[Annotated[int, Field(ge=1, le=7)], ...] = _several("1 is Monday, 7 Sunday", [6, 7])
    speed_from: Speed | None = Field(None, description="lowest posted speed limit, in mph")
    speed_to: Speed | None = Field(None, validate_default=True, description="highest posted speed limit, included")
    veh_count: tuple[Annotated[int, Field(ge=0, le=99)], ...] = _several("units in the crash", [2])
    hit: tuple[Hit, ...] = _several(
        "who was in it: somebody on foot, somebody on a bicycle, or neither of them", ["pedestrian"]
    )
    grid_id: tuple[Text, ...] = _several("a square of a hundredth of a degree", ["41.88_-87.63"])

    @field_validator("last", "compare_to", "speed_to")
    @classmethod
    def _not_before(cls, end: Any, info: ValidationInfo) -> Any:
        """The end of a span is not before its beginning."""
        name, beginning = {
            "last": ("from", info.data.get("first")),
            "compare_to": ("compare_from", info.data.get("compare_from")),
            "speed_to": ("speed_from", info.data.get("speed_from")),
        }[str(info.field_name)]
        if end is not None and beginning is not None and end < beginning:
            raise ValueError(f"{end} is before {name} {beginning}; both are included")
        if info.field_name == "compare_to" and (end is None) != (beginning is None):
            raise ValueError("a period to compare with needs both compare_from and compare_to")
        return end

    @property
    def compared(self) -> bool:
        """Whether there is a second period."""
        return self.compare_to is not None

    def query(self) -> dict[str, Any]:
        """The filters as parameters of the API, without those that are not given."""
        given = self.model_dump(mode="json", by_alias=True, include=set(Choice.model_fields))
        return {name: value for name, value in given.items() if value not in (None, [])}

    def without(self, *names: str) -> "Choice":
        """The choice with these parameters left out."""
        return understood({name: value for name, value in self.query().items() if name not in names})


def understood(query: dict[str, Any]) -> Choice:
    """What of `query` makes sense; what does not is left out, and so is what goes with it."""
    while True:
        try:
            return Choice.model_validate(query)
        except ValidationError as error:
            wrong = {str(problem["loc"][0]) for problem in error.errors()}
            wrong |= {"compare_from", "compare_to"} & set(query) if "compare_to" in wrong else set()
            query = {name: value for name, value in query.items() if name not in wrong}


def crashes(choice: Choice, facets: str = "crash_facets") -> tuple[str, dict[str, Any]]:
    """SQL that begins a query with `matching` and `days`, and its parameters.

    `matching` has the columns of `facets`, Gold's table of crashes, people or vehicles as small numbers, and `period`:
    0 is chosen, 1 compared. `days(period, day, day_of_week)` are the days of each period of which Gold holds any
    crash, so that a rate per day is not thinned by days nobody asked for.
    Only fixed texts are put together; what a person chose goes into parameters.
    """
    given = choice.model_dump(include=set(Choice.model_fields), exclude_defaults=True)
    filters = [clause for name, clause in _CLAUSES.items() if name in given]
    filters += [f"{name} in ({_values(name, given[name])})" for name in _NUMBERS if name in given]
    filters += [_worded(name, given[name]) for name in _WORDS if name in given]
    weekdays = [f"day_of_week in ({_values('day_of_week', choice.day_of_week)})"] if choice.day_of_week else []
    if choice.severity:
        codes = sorted(code for severity in choice.severity for code in OUTCOMES[severity])
        filters.append(f"outcome in ({', '.join(map(str, codes))})")
    if choice.hit:
        filters.append(f"({' or '.join(_HIT[hit] for hit in choice.hit)})")
    if {"hour_from", "hour_to"} & given.keys():
        filters.append(_HOURS)
        given |= {"hour_from": choice.hour_from, "hour_to": choice.hour_to}
    matching, days = [], []
    for number, (first, last) in enumerate((("first", "last"), ("compare_from", "compare_to"))):
        if number == 0 or choice.compared:
            span = ['"day" is not null', *_span(first, last, given)]
            matching.append(_filtered("matching", number, [*span, *filters]).replace("{facets}", facets))
            days.append(_filtered("dates", number, [*span, *weekdays]))
    # Not materialized: so a figure reads the few columns that it is of.
    sql = f"with matching as not materialized (\n{_union(matching)}),\ndays as materialized (\n{_union(days)})\n"
    return sql, dict(_parameters(given))


def _values(name: str, values: Sequence[object]) -> str:
    return ", ".join(f"${name}_{place}" for place in range(len(values)))


def _worded(name: str, words: Sequence[object]) -> str:
    codes = f"select code from facet_words where facet = '{name}' and word in ({_values(name, words)})"  # noqa: S608
    return f"{name} in ({codes})"


def _parameters(given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if name in _NUMBERS or name in _WORDS:
            yield from ((f"{name}_{place}", one) for place, one in enumerate(value))
        elif name not in ("hit", "severity"):
            yield name, value.isoformat() if isinstance(value, date) else value


def _filtered(name: str, number: int, filters: list[str]) -> str:
    return SQL[f"explore/{name}"].replace("{number}", str(number)).replace("{filters}", "\n    and ".join(filters))


def _span(first: str, last: str, given: dict[str, Any]) -> Iterator[str]:
    if first in given:
        yield f'"day" >= ${first}::date'
    if last in given:
        yield f'"day" <= ${last}::date'


def _union(parts: list[str]) -> str:
    return "union all by name\n".join(parts)


_HOURS: Final = """case when coalesce($hour_from, 0) <= coalesce($hour_to, 23)
            then "hour" between coalesce($hour_from, 0) and coalesce($hour_to, 23)
            else "hour" >= $hour_from or "hour" <= $hour_to end"""
_HIT: Final[dict[Hit, str]] = {
    "pedestrian": f"who & {WHO['PEDESTRIAN']} <> 0",
    "cyclist": f"who & {WHO['BICYCLE']} <> 0",
    "motorist": f"who & {WHO['PEDESTRIAN'] | WHO['BICYCLE']} = 0",
}
_CLAUSES: Final = {
    "speed_from": "posted_speed_limit >= $speed_from",
    "speed_to": "posted_speed_limit <= $speed_to",
}
# Filters that take several values: numbers, and words that Gold keeps as numbers.
_NUMBERS: Final = ("day_of_week", "veh_count")
_WORDS: Final = (
    *("first_crash_type", "weather_condition", "lighting_condition", "prim_contributory_cause"),
    "grid_id",
)
