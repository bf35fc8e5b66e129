"""The figures of a report on a period: what the page shows and what is printed, from one place."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from streams.storage.gold.client import GoldClient
from webapp.components.text import moment, plural
from webapp.errors import ApiError
from webapp.queries import rows
from webapp.times import Time

LAST_RUNS: Final = 10
DEFAULT_DAYS: Final = 30
Unit = Literal["day", "week", "month"]

# How the figures are made, for the page and for print.
DEFINITIONS: Final = {
    "Crash": "A crash report of the Chicago police, counted on the day of the crash (Chicago time), not of its filing.",
    "Injured": "Sum of injuries_total: everybody hurt, the killed included. A crash whose injuries are not known yet "
    "adds nothing.",
    "Killed": "Sum of injuries_fatal.",
    "Injury crash": "A crash with injuries_total of 1 or more.",
    "Severe crash": "A crash in which somebody was killed or badly (incapacitatingly) injured.",
    "Pedestrian or bicycle": "Crashes whose first crash type is PEDESTRIAN or PEDALCYCLIST.",
    "Hit and run": "Crashes whose hit_and_run_i is yes; where the report leaves it blank it is not counted.",
    "Outcome not known yet": "Crashes without rows on people: their injuries are not known, which is not no injury.",
    "Year before": "The same days of the year before. It is left out where the copy does not hold all of them.",
    "Place": "A cell of hundredths of a degree, about 1.1 km by 0.8 km, named by the street most often reported in it.",
    "Flagged": "A row with a value that cannot be (a speed limit of 0, a place outside of the city). "
    "The value is set to null, and the row is kept.",
}


class Totals(BaseModel):
    """Key figures of a period."""

    crashes: int
    injured: int = Field(description="people")
    killed: int = Field(description="people")
    injury_crashes: int
    severe_crashes: int = Field(description="with somebody killed or incapacitated")
    on_foot_or_bicycle: int = Field(description="crashes with a pedestrian or a cyclist")
    hit_and_run: int
    outcome_unknown: int = Field(description="crashes whose injuries are not known yet")


# In the order in which they are shown: the name in `Totals`, and its title, which is a word of DEFINITIONS.
TOTALS: Final = (
    ("crashes", "Crashes", "Crash"),
    ("injured", "People injured", "Injured"),
    ("killed", "People killed", "Killed"),
    ("injury_crashes", "Crashes with injury", "Injury crash"),
    ("severe_crashes", "Severe crashes", "Severe crash"),
    ("on_foot_or_bicycle", "Pedestrian or bicycle", "Pedestrian or bicycle"),
    ("hit_and_run", "Hit and run", "Hit and run"),
    ("outcome_unknown", "Outcome not known yet", "Outcome not known yet"),
)


class Outcomes(BaseModel):
    """Crashes by outcome since a day, up to the next one."""

    since: date
    no_injury: int
    injury: int = Field(description="with an injury, but no severe one")
    severe: int
    unknown: int


class Hour(BaseModel):
    """Crashes of an hour of the week."""

    day_of_week: int = Field(description="1 is Monday, 7 Sunday")
    hour: int
    crashes: int


class CrashType(BaseModel):
    """Crashes of one first crash type."""

    kind: str
    crashes: int
    injury_crashes: int
    severe_crashes: int
    before: int | None = Field(description="crashes in the same days a year before, where the copy holds them")


class Place(BaseModel):
    """A cell of the grid: its centre, and what happened in it."""

    grid_id: str
    latitude: float
    longitude: float
    street: str | None = Field(description="the street most often reported there")
    crashes: int
    injured: int
    killed: int
    severe_crashes: int


class Notes(BaseModel):
    """What to know of the quality of the period's crashes; lags are in hours."""

    crashes: int
    outcome_unknown: int
    place_unknown: int
    without_people: int
    time_estimated: int
    flagged: int
    lag_median: float | None = Field(description="from the crash until the police were told")
    lag_95: float | None = Field(description="95 % were told within so many hours")
    drifts: int = Field(description="columns of the portal that are not as they were known")


class Run(BaseModel):
    """A run, and how far it is. Times (`…_at`) are in UTC."""

    run_id: str
    kind: str | None
    status: str
    start: date | None
    end: date | None
    datasets: list[str] | None
    requested_at: Time | None
    finished_at: Time | None
    windows: int | None
    windows_done: int
    rows_planned: int | None
    pages_fetched: int
    rows_fetched: int
    bytes_fetched: int
    merges_expected: int
    merges_done: int
    merges_loaded: int
    crashes_changed: int
    failures: int
    error: str | None


class Audit(BaseModel):
    """What an audit found, over all months and tables. Times are in UTC."""

    run_id: str
    status: str
    start: date | None
    end: date | None
    requested_at: Time | None
    audited_at: Time | None
    months: int
    comparisons: int = Field(description="months times tables compared")
    portal: int = Field(description="rows at the portal")
    ours: int = Field(description="rows of the copy")
    missing: int = Field(description="rows that the copy lacked")
    gone: int = Field(description="rows that the portal has no more")
    moved: int = Field(description="rows that are in another month now")
    agree: bool | None = Field(description="whether all was alike; null until the comparison is over")


class Report(BaseModel):
    """A period in figures, with the same days of the year before where the copy holds them."""

    model_config = ConfigDict(populate_by_name=True)

    first: Annotated[date, Field(alias="from", description="first day")]
    last: Annotated[date, Field(alias="to", description="last day; not after the data ends")]
    before_first: date
    before_last: date
    data_from: Time = Field(description="the first crash of the copy, Chicago's time")
    data_through: Time = Field(description="the newest crash of the copy, Chicago's time")
    made_at: Time = Field(description="UTC")
    totals: Totals
    before: Totals | None = Field(description="a year before; null where the copy does not hold all of those days")
    unit: Unit = Field(description="what `over_time` counts by")
    over_time: list[Outcomes]
    hours: list[Hour]
    types: list[CrashType] = Field(description="the ten most frequent")
    places: list[Place] = Field(description="the ten with the most people injured")
    notes: Notes
    runs: list[Run] = Field(description="the last ones that changed the copy, failed or go on; newest first")
    audit: Audit | None = Field(description="the last one")
    remarks: list[str] = Field(description="what a reader should know before relying on the figures")
    definitions: dict[str, str] = Field(description="how the figures are made")


async def report(gold: GoldClient, first: date | None, last: date | None) -> Report:
    """The report on the days from `first` to `last`, both included; left out, on the last 30 days of the data.

    Raises `ApiError` for days that the copy does not hold, and `GoldError`.
    """
    (reach,) = await rows(gold, "report_reach")
    if reach["data_through"] is None:
        hint = "ask for some: POST /api/fetch/publish, or the page Data fetcher"
        raise ApiError(404, "not-found", "there is no crash in Gold yet", hint=hint)
    known_from, known_to = reach["data_from"].date(), reach["data_through"].date()
    last = min(last or known_to, known_to)
    first = first or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last or last < known_from:
        raise ApiError(
            422,
            "invalid-request",
            f"the copy has no crash from {first} to {last}",
            field="from",
            hint=f"choose days from {known_from} to {known_to}",
        )
    before_first, before_last = _year_before(first), _year_before(last)
    span = _span(first, last)
    before_span = _span(before_first, before_last)
    unit = _unit(first, last)
    whole = known_from <= before_first
    (
        (totals,),
        (before,),
        over_time,
        hours,
        types,
        places,
        (noted,),
        runs,
        audits,
    ) = await asyncio.gather(
        rows(gold, "report_totals", **span),
        rows(gold, "report_totals", **before_span),
        rows(gold, "report_over_time", **span, unit=unit),
        rows(gold, "report_hours", **span),
        rows(gold, "report_types", **span, before_start=before_span["start"], before_end=before_span["end"]),
        rows(gold, "report_places", **span),
        rows(gold, "report_notes", **span),
        last_runs(gold),
        rows(gold, "report_audits", limit=1),
    )
    notes = Notes.model_validate(noted)
    audit = Audit.model_validate(audits[0]) if audits else None
    return Report.model_validate(
        {
            "first": first,
            "last": last,
            "before_first": before_first,
            "before_last": before_last,
            **reach,
            "made_at": datetime.now(UTC),
            "totals": totals,
            "before": before if whole else None,
            "unit": unit,
            "over_time": over_time,
            "hours": hours,
            "types": [kind if whole else kind | {"before": None} for kind in types],
            "places": places,
            "notes": notes,
            "runs": runs,
            "audit": audit,
            "remarks": remarks(notes, audit),
            "definitions": DEFINITIONS,
        }
    )


async def last_runs(gold: GoldClient) -> list[dict[str, Any]]:
    """The last runs, newest first, without polls that found the copy as it should be."""
    anything: dict[str, object] = dict.fromkeys(("kind", "status", "since", "until"))
    return await rows(gold, "report_runs", **anything, changed_only=True, limit=LAST_RUNS, offset=0)


def changed(now: int, before: int | None) -> float | None:
    """The change against the year before as a share of it; null where there is nothing to compare with."""
    return (now - before) / before if before else None


def remarks(notes: Notes, audit: Audit | None) -> list[str]:
    """What a reader should know before relying on the figures, a sentence or two each."""
    whole = max(1, notes.crashes)
    lines = [
        f"Of {notes.crashes:,} crashes the outcome of {notes.outcome_unknown:,} ({notes.outcome_unknown / whole:.1%}) "
        "is not known yet: rows on people come after their crash. They count as crashes, and in no figure of injuries.",
    ]
    if notes.lag_median is not None and notes.lag_95 is not None:
        lines.append(
            f"Half of the crashes were known to the police within {_hours(notes.lag_median)}, 95 % within "
            f"{_hours(notes.lag_95)}: the newest days will still grow."
        )
    lines.append(
        f"{notes.place_unknown:,} ({notes.place_unknown / whole:.1%}) have no usable place and stand in no cell; the "
        f"time of {notes.time_estimated:,} ({notes.time_estimated / whole:.1%}) is the police's estimate; "
        f"{notes.flagged:,} ({notes.flagged / whole:.1%}) have a value that cannot be, set to null and flagged."
    )
    if notes.drifts:
        lines.append(f"The portal has changed {plural(notes.drifts, 'column')} since this service was made.")
    lines.append(_verdict(audit))
    return lines


def _verdict(audit: Audit | None) -> str:
    """What the last audit says of the copy as a whole."""
    if audit is None:
        return "The copy was not yet compared with the portal by an audit."
    if audit.agree is None:
        return f"An audit ({audit.run_id}) is under way."
    when = moment(audit.audited_at or audit.requested_at)
    if audit.agree:
        return (
            f"The last audit ({when}) found the copy equal to the portal: {audit.portal:,} rows in "
            f"{plural(audit.months, 'month')}."
        )
    return (
        f"The last audit ({when}) compared {audit.portal:,} rows of the portal with {audit.ours:,} of the copy: "
        f"{audit.missing:,} missing, {audit.gone:,} gone, {audit.moved:,} moved. What was missing is fetched, "
        "what is gone leaves the copy."
    )


def _hours(hours: float) -> str:
    return (
        f"{round(hours * 60)} minutes"
        if hours < 1.5
        else f"{hours:.0f} hours"
        if hours < 72
        else f"{hours / 24:.0f} days"
    )


def _span(first: date, last: date) -> dict[str, str]:
    return {"start": first.isoformat(), "end": (last + timedelta(days=1)).isoformat()}


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _unit(first: date, last: date) -> Unit:
    days = (last - first).days + 1
    return "day" if days <= 62 else "week" if days <= 400 else "month"
