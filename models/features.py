"""What a model may know of a crash: one declared table of features, and the one function that builds them.

Training and scoring both call `build`, so they cannot differ. A feature belongs to the first tier at which it is
known: `pre-crash` is the place, the time, the light and the weather; `at-scene` is what an officer sees at once;
`report` is what only the finished report says. The outcome and what stands for it are in none, and are refused by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

import polars as pl

from streams.errors import RequestError
from streams.records import TIERS, Dataset, Tier

Kind = Literal["number", "flag", "category"]

KEY: Final = "crash_record_id"

_TYPES: Final[Mapping[Kind, type[pl.DataType]]] = {"number": pl.Float64, "flag": pl.Boolean, "category": pl.String}


@dataclass(frozen=True, eq=False)
class Feature:
    """One thing that a model may know of a crash.

    `expr` is computed over the rows of Gold's `table`: row by row over `crashes`, aggregated a crash over the others.
    `missing` says what becomes of what is not known.
    """

    name: str
    tier: Tier
    kind: Kind
    table: Dataset
    expr: pl.Expr
    missing: str
    meaning: str

    @property
    def source(self) -> str:
        """The columns of Gold it is made of, such as "people.age"; of a count of rows, the table alone."""
        columns = [name for name in dict.fromkeys(self.expr.meta.root_names()) if name != KEY]
        return ", ".join(f"{self.table}.{name}" for name in columns) or self.table

    @property
    def dtype(self) -> type[pl.DataType]:
        """Its type in the frames of `build`."""
        return _TYPES[self.kind]


# Why a column is no feature, by its name. None of them is read by any expression below.
_IS_OUTCOME: Final = "it is the outcome itself"
_SAYS_OUTCOME: Final = "it is written after the outcome and says it"
_SHOWS_CARE: Final = "only the hurt are taken care of, so it stands for the outcome"
REFUSED: Final[Mapping[str, str]] = {
    "injury": _IS_OUTCOME,
    "injury_severe": _IS_OUTCOME,
    "injuries_total": _IS_OUTCOME,
    "injuries_fatal": _IS_OUTCOME,
    "injuries_incapacitating": _IS_OUTCOME,
    "injuries_non_incapacitating": _IS_OUTCOME,
    "injuries_reported_not_evident": _IS_OUTCOME,
    "injuries_no_indication": _IS_OUTCOME,
    "injuries_unknown": _IS_OUTCOME,
    "most_severe_injury": _IS_OUTCOME,
    "injury_classification": _IS_OUTCOME,
    "crash_type": _SAYS_OUTCOME + ": NO INJURY / DRIVE AWAY holds no injury by definition",
    "hospital": _SHOWS_CARE,
    "ems_agency": _SHOWS_CARE,
    "ems_run_no": _SHOWS_CARE,
}

_STATED: Final = "null where the report does not say"
_NO_UNLESS_STATED: Final = "no, unless the report says yes"
_NO_ROWS: Final[Mapping[Dataset, str]] = {
    "crashes": _STATED,
    "vehicles": "null while no vehicle of the crash is known",
    "people": "null while no person of the crash is known",
}


def _column(tier: Tier, kind: Kind, names: str, meaning: str) -> Iterable[Feature]:
    """Columns of `crashes` as they are."""
    for name in names.split():
        yield Feature(name, tier, kind, "crashes", pl.col(name), _STATED, meaning.format(name.replace("_", " ")))


def _ticked(tier: Tier, name: str, meaning: str) -> Feature:
    """A box of the form that is ticked or left empty: nearly always empty, and "no" is next to never written."""
    expr = pl.col(name + "_i").fill_null(value=False)
    return Feature(name, tier, "flag", "crashes", expr, _NO_UNLESS_STATED, meaning)


def _made(name: str, tier: Tier, kind: Kind, expr: pl.Expr, meaning: str, missing: str = _STATED) -> Feature:
    return Feature(name, tier, kind, "crashes", expr, missing, meaning)


def _count(name: str, tier: Tier, table: Dataset, of: pl.Expr, meaning: str) -> Feature:
    """How many rows of the crash `of` holds for; one that does not say does not count."""
    return Feature(name, tier, "number", table, of.sum(), _NO_ROWS[table], meaning)


def _of(name: str, tier: Tier, table: Dataset, expr: pl.Expr, meaning: str) -> Feature:
    return Feature(name, tier, "number", table, expr, f"{_NO_ROWS[table]}, or none of them says", meaning)


def _is(column: str, *values: str) -> pl.Expr:
    return pl.col(column) == values[0] if len(values) == 1 else pl.col(column).is_in(values)


_DATE: Final = pl.col("crash_date").dt
_TURN: Final = 6.283185307179586
_HOURS: Final = _DATE.hour() + _DATE.minute() / 60
_MONTH, _DAY, _WEEKDAY = _DATE.month(), _DATE.day(), _DATE.weekday()

# Days with the traffic, the streets and the drinking of none other.
_HOLIDAY: Final = (
    ((_MONTH == 1) & (_DAY == 1))
    | ((_MONTH == 5) & (_WEEKDAY == 1) & (_DAY >= 25))  # Memorial Day
    | ((_MONTH == 7) & (_DAY == 4))
    | ((_MONTH == 9) & (_WEEKDAY == 1) & (_DAY <= 7))  # Labor Day
    | ((_MONTH == 11) & (_WEEKDAY == 4) & _DAY.is_between(22, 28))  # Thanksgiving
    | ((_MONTH == 12) & _DAY.is_in([24, 25, 31]))
)

# State and Madison, where the city's grid begins; kilometres a degree at that latitude.
_EAST: Final = (pl.col("longitude") + 87.6279) * 82.6
_NORTH: Final = (pl.col("latitude") - 41.8819) * 111.1

_LAG: Final = (pl.col("date_police_notified") - pl.col("crash_date")).dt.total_minutes() / 60

_MOTORCYCLES: Final = (
    "MOTORCYCLE (OVER 150CC)",
    "MOTOR DRIVEN CYCLE",
    "MOPED OR MOTORIZED BICYCLE",
    "AUTOCYCLE",
    "3-WHEELED MOTORCYCLE (2 REAR WHEELS)",
)
_TRUCKS: Final = (
    "TRUCK - SINGLE UNIT",
    "TRACTOR W/ SEMI-TRAILER",
    "TRACTOR W/O SEMI-TRAILER",
    "SINGLE UNIT TRUCK WITH TRAILER",
)
_BUSES: Final = ("BUS OVER 15 PASS.", "BUS UP TO 15 PASS.")
_LIGHT_TRUCKS: Final = ("SPORT UTILITY VEHICLE (SUV)", "VAN/MINI-VAN", "PICKUP")
_HELMETS: Final = (
    "HELMET USED",
    "BICYCLE HELMET (PEDACYCLIST INVOLVED ONLY)",
    "DOT COMPLIANT MOTORCYCLE HELMET",
    "NOT DOT COMPLIANT MOTORCYCLE HELMET",
)
_CHILD_SEATS: Final = (
    "CHILD RESTRAINT USED",
    "CHILD RESTRAINT - FORWARD FACING",
    "CHILD RESTRAINT - REAR FACING",
    "CHILD RESTRAINT - TYPE UNKNOWN",
    "BOOSTER SEAT",
)
_UNBELTED: Final = (
    "SAFETY BELT NOT USED",
    "SHOULD/LAP BELT USED IMPROPERLY",
    "CHILD RESTRAINT NOT USED",
    "CHILD RESTRAINT USED IMPROPERLY",
)
# Of `physical_condition` only these states are read: "REMOVED BY EMS" stands for an injury, "NORMAL" for none.
_IMPAIRED: Final = ("IMPAIRED - ALCOHOL", "IMPAIRED - DRUGS", "IMPAIRED - ALCOHOL AND DRUGS", "HAD BEEN DRINKING")
_BAC_TESTED: Final = ("TEST TAKEN", "TEST PERFORMED, RESULTS UNKNOWN", "TEST REFUSED")
_AREAS: Final = tuple(f"area_{number:02d}_i" for number in range(1, 13))

_CONTACT: Final = pl.col("first_contact_point")
_GEAR: Final = pl.col("safety_equipment")

_PLACE_AND_TIME: Final = (
    _made("hour", "pre-crash", "number", _DATE.hour(), "hour of the day, 0 to 23"),
    _made("hour_sin", "pre-crash", "number", (_HOURS * (_TURN / 24)).sin(), "time of day on a circle, east"),
    _made("hour_cos", "pre-crash", "number", (_HOURS * (_TURN / 24)).cos(), "time of day on a circle, north"),
    _made("weekday", "pre-crash", "number", _WEEKDAY, "1 is Monday, 7 is Sunday"),
    _made("is_weekend", "pre-crash", "flag", _WEEKDAY >= 6, "Saturday or Sunday"),
    _made("month", "pre-crash", "number", _MONTH, "1 to 12"),
    _made("is_holiday", "pre-crash", "flag", _HOLIDAY, "a holiday that changes the traffic, or the eve of one"),
    *_column("pre-crash", "number", "latitude longitude", "{} in degrees"),
    _made(
        "from_centre",
        "pre-crash",
        "number",
        (_EAST * _EAST + _NORTH * _NORTH).sqrt(),
        "kilometres from State and Madison",
    ),
    _made(
        "district",
        "pre-crash",
        "category",
        (pl.col("beat_of_occurrence") // 100).cast(pl.String),
        "police district: the hundreds of the beat",
    ),
    _made(
        "street_kind",
        "pre-crash",
        "category",
        pl.col("street_name")
        .str.to_uppercase()
        .str.extract(r"\b(AVE|ST|BLVD|RD|DR|PKWY|PL|CT|LN|TER|EXPY|HWY|SQ)\b[^A-Z]*[A-Z]{0,2}$"),
        "last word of the street's name, such as AVE",
        "null where the name ends otherwise",
    ),
    *_column("pre-crash", "category", "street_direction", "N, E, S or W of State and Madison"),
    *_column("pre-crash", "number", "posted_speed_limit", "miles an hour"),
    *_column("pre-crash", "number", "lane_cnt", "lanes"),
    *_column("pre-crash", "category", "traffic_control_device device_condition", "{}"),
    *_column("pre-crash", "category", "trafficway_type alignment", "{}"),
    *_column("pre-crash", "category", "weather_condition lighting_condition", "{}"),
    _ticked("pre-crash", "intersection_related", "at an intersection"),
    _ticked("pre-crash", "private_property", "not on a public road"),
    _ticked("pre-crash", "work_zone", "in a work zone"),
)

_SEEN: Final = (
    *_column("at-scene", "category", "first_crash_type", "what hit what first"),
    *_column("at-scene", "number", "num_units", "units involved"),
    *_column("at-scene", "category", "roadway_surface_cond road_defect", "{}"),
    _ticked("at-scene", "hit_and_run", "somebody drove away"),
    _ticked("at-scene", "dooring", "a car's door was opened into somebody's way"),
    _count("vehicles", "at-scene", "vehicles", pl.col(KEY).is_not_null(), "units with a row"),
    _count("parked", "at-scene", "vehicles", _is("unit_type", "PARKED", "DRIVERLESS"), "units without anybody in them"),
    _count("cars", "at-scene", "vehicles", _is("vehicle_type", "PASSENGER"), "passenger cars"),
    _count("light_trucks", "at-scene", "vehicles", _is("vehicle_type", *_LIGHT_TRUCKS), "SUVs, vans and pickups"),
    _count("trucks", "at-scene", "vehicles", _is("vehicle_type", *_TRUCKS), "trucks and tractors"),
    _count("buses", "at-scene", "vehicles", _is("vehicle_type", *_BUSES), "buses"),
    _count("motorcycles", "at-scene", "vehicles", _is("vehicle_type", *_MOTORCYCLES), "motorcycles and mopeds"),
    _count(
        "defects",
        "at-scene",
        "vehicles",
        pl.col("vehicle_defect") != "NONE",
        "vehicles with a defect",
    ),
    _count("fires", "at-scene", "vehicles", pl.col("fire_i"), "vehicles on fire"),
    _count("persons", "at-scene", "people", pl.col(KEY).is_not_null(), "people with a row"),
    _count("drivers", "at-scene", "people", _is("person_type", "DRIVER"), "drivers"),
    _count("passengers", "at-scene", "people", _is("person_type", "PASSENGER"), "passengers"),
    _count("pedestrians", "at-scene", "people", _is("person_type", "PEDESTRIAN"), "people on foot"),
    _count("cyclists", "at-scene", "people", _is("person_type", "BICYCLE"), "cyclists"),
    _count("others_moving", "at-scene", "people", _is("person_type", "NON-MOTOR VEHICLE"), "skaters, riders and such"),
    _of("age_youngest", "at-scene", "people", pl.col("age").min(), "years"),
    _of("age_oldest", "at-scene", "people", pl.col("age").max(), "years"),
    _of("age_mean", "at-scene", "people", pl.col("age").mean(), "years"),
    _count("ages_unknown", "at-scene", "people", pl.col("age").is_null(), "people whose age is not known"),
    _count("children", "at-scene", "people", pl.col("age") < 10, "people under 10"),
    _count("over_65", "at-scene", "people", pl.col("age") > 65, "people over 65"),
    _count("women", "at-scene", "people", _is("sex", "F"), "women and girls"),
    _count("men", "at-scene", "people", _is("sex", "M"), "men and boys"),
    _count("belted", "at-scene", "people", _is("safety_equipment", "SAFETY BELT USED"), "people with the belt on"),
    _count("unbelted", "at-scene", "people", _is("safety_equipment", *_UNBELTED), "people who are not held"),
    _count("in_child_seats", "at-scene", "people", _is("safety_equipment", *_CHILD_SEATS), "children in their seats"),
    _count("helmeted", "at-scene", "people", _is("safety_equipment", *_HELMETS), "riders with a helmet"),
    _count("unhelmeted", "at-scene", "people", _is("safety_equipment", "HELMET NOT USED"), "riders without a helmet"),
    _count(
        "restraint_unknown",
        "at-scene",
        "people",
        _GEAR.is_null() | (_GEAR == "USAGE UNKNOWN"),
        "people of whom nobody says whether they were held",
    ),
)

_REPORTED: Final = (
    *_column("report", "category", "report_type", "whether an officer came, or it was told at a desk"),
    *_column("report", "category", "damage", "what it costs, as estimated"),
    *_column("report", "category", "prim_contributory_cause sec_contributory_cause", "{}"),
    _made(
        "notified_after",
        "report",
        "number",
        pl.when(_LAG >= 0).then(_LAG),
        "hours until the police were told",
        "null where the report does not say, or says that they were told before",
    ),
    _ticked("report", "photos_taken", "photos were taken"),
    _ticked("report", "statements_taken", "statements were taken"),
    _count("towed", "report", "vehicles", pl.col("towed_i"), "vehicles towed away"),
    _count("speeding", "report", "vehicles", pl.col("exceed_speed_limit_i"), "vehicles over the limit"),
    _count("commercial", "report", "vehicles", pl.col("cmrc_veh_i"), "commercial vehicles"),
    _count("straight_ahead", "report", "vehicles", _is("maneuver", "STRAIGHT AHEAD"), "vehicles going straight on"),
    _count("turning_left", "report", "vehicles", _is("maneuver", "TURNING LEFT", "U-TURN"), "vehicles turning left"),
    _count("backing", "report", "vehicles", _is("maneuver", "BACKING"), "vehicles backing"),
    _count("standing", "report", "vehicles", _is("maneuver", "SLOW/STOP IN TRAFFIC"), "vehicles slowing or standing"),
    _count("out_of_control", "report", "vehicles", _is("maneuver", "SKIDDING/CONTROL LOSS"), "vehicles that skidded"),
    _count("hit_in_front", "report", "vehicles", _CONTACT.str.starts_with("FRONT"), "vehicles first hit in front"),
    _count("hit_on_side", "report", "vehicles", _CONTACT.str.starts_with("SIDE"), "vehicles first hit on a side"),
    _count("hit_all_over", "report", "vehicles", _CONTACT.str.starts_with("TOTAL"), "vehicles damaged all over"),
    _of(
        "areas_damaged",
        "report",
        "vehicles",
        # A column each: an expression of several at once does not say which they are.
        pl.sum_horizontal(pl.col(name).fill_null(value=False).cast(pl.Int32) for name in _AREAS).max(),
        "damaged areas, of twelve, of the vehicle that has most",
    ),
    _of("occupants", "report", "vehicles", pl.col("occupant_cnt").sum(), "people in all vehicles, as counted"),
    _of(
        "oldest_vehicle",
        "report",
        "vehicles",
        (_DATE.year() - pl.col("vehicle_year")).max(),
        "age of the oldest vehicle in years",
    ),
    _count("airbags_front", "report", "people", _is("airbag_deployed", "DEPLOYED, FRONT"), "front airbags deployed"),
    _count("airbags_side", "report", "people", _is("airbag_deployed", "DEPLOYED, SIDE"), "side airbags deployed"),
    _count(
        "airbags_combined",
        "report",
        "people",
        _is("airbag_deployed", "DEPLOYED, COMBINATION", "DEPLOYED OTHER (KNEE, AIR, BELT, ETC.)"),
        "several airbags, or others, deployed",
    ),
    _count("airbags_kept", "report", "people", _is("airbag_deployed", "DID NOT DEPLOY"), "airbags that did not deploy"),
    _count(
        "airbags_unknown",
        "report",
        "people",
        _is("airbag_deployed", "DEPLOYMENT UNKNOWN"),
        "airbags of which nobody says whether they deployed",
    ),
    _count("ejected", "report", "people", _is("ejection", "TOTALLY EJECTED", "PARTIALLY EJECTED"), "people thrown out"),
    _count("trapped", "report", "people", _is("ejection", "TRAPPED/EXTRICATED"), "people who had to be freed"),
    _count("impaired", "report", "people", _is("physical_condition", *_IMPAIRED), "people under the influence"),
    _count("tired", "report", "people", _is("physical_condition", "FATIGUED/ASLEEP"), "people tired or asleep"),
    _count("upset", "report", "people", _is("physical_condition", "EMOTIONAL"), "people in an emotional state"),
    _count("ill", "report", "people", _is("physical_condition", "ILLNESS/FAINTED"), "people who were ill or fainted"),
    _count("condition_unknown", "report", "people", pl.col("physical_condition").is_null(), "people of unknown state"),
    _count("vision_obscured", "report", "people", ~_is("driver_vision", "NOT OBSCURED"), "drivers who saw badly"),
    _count("bac_asked", "report", "people", _is("bac_result", *_BAC_TESTED), "people asked for a test of alcohol"),
    _of("bac_highest", "report", "people", pl.col("bac_result_value").max(), "blood alcohol, grams in 100 ml"),
    _count("yielding_failed", "report", "people", _is("driver_action", "FAILED TO YIELD"), "drivers who did not yield"),
    _count("too_fast", "report", "people", _is("driver_action", "TOO FAST FOR CONDITIONS"), "drivers too fast"),
    _count(
        "too_close", "report", "people", _is("driver_action", "FOLLOWED TOO CLOSELY"), "drivers following too closely"
    ),
    _count(
        "signal_ignored", "report", "people", _is("driver_action", "DISREGARDED CONTROL DEVICES"), "drivers past a sign"
    ),
)

FEATURES: Final[tuple[Feature, ...]] = (*_PLACE_AND_TIME, *_SEEN, *_REPORTED)

_BY_NAME: Final = {feature.name: feature for feature in FEATURES}


def chosen(tier: Tier, names: Iterable[str] | None = None) -> tuple[Feature, ...]:
    """The features of `names` that a model of `tier` may know, in the table's order; all it may know without names.

    Raises `RequestError` with the field `tier`, or `features` that names the one at fault: unknown, of a later tier,
    or the outcome in another form.
    """
    if tier not in TIERS:
        raise RequestError(f"no tier {tier!r}", field="tier", hint=f"choose one of {', '.join(TIERS)}")
    known = TIERS[: TIERS.index(tier) + 1]
    if names is None:
        return tuple(feature for feature in FEATURES if feature.tier in known)
    wanted = set(names)
    for name in sorted(wanted):
        _check(name, tier, known)
    if not wanted:
        raise RequestError("no feature is chosen", field="features", hint="name some, or leave the field out for all")
    return tuple(feature for feature in FEATURES if feature.name in wanted)


def _check(name: str, tier: Tier, known: tuple[Tier, ...]) -> None:
    if why := REFUSED.get(name.strip().lower()):
        raise RequestError(f"{name} is refused as a feature: {why}", field="features", hint="leave it out")
    feature = _BY_NAME.get(name)
    if feature is None:
        close = get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean {close[0]}?" if close else "docs/features.md lists all of them"
        raise RequestError(f"there is no feature {name}", field="features", hint=hint)
    if feature.tier not in known:
        raise RequestError(
            f"{name} is not known at tier {tier}: it comes with {feature.tier}",
            field="features",
            hint=f"leave it out, or ask for tier {feature.tier}",
        )


def build(crashes: pl.DataFrame, vehicles: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """The features of `crashes`, in their order: `crash_record_id` and a column for each of FEATURES.

    The frames are typed as Gold is; `vehicles` and `people` hold all rows of these crashes, and may hold others' (they
    are left out). Numbers are Float64, flags Boolean, categories String; null is what is not known. A crash's features
    depend on its own rows alone, and not on their order.
    """
    # Ids are 128 characters: a crash's number is quicker to group and to join by.
    owners = crashes.select(KEY).with_row_index(_ROW)
    parts = [
        crashes.select(KEY, *_expressions("crashes")),
        _gathered(vehicles, "vehicles", owners),
        _gathered(people, "people", owners),
    ]
    return pl.concat(parts, how="horizontal").select(KEY, *(pl.col(f.name).cast(f.dtype) for f in FEATURES))


_ROW: Final = ":row"


def _gathered(frame: pl.DataFrame, table: Dataset, owners: pl.DataFrame) -> pl.DataFrame:
    """The features of `table`, a row for each of `owners`."""
    theirs = frame.lazy().join(owners.lazy(), on=KEY, how="inner").group_by(_ROW).agg(_expressions(table)).collect()
    return owners.select(_ROW).join(theirs, on=_ROW, how="left", maintain_order="left").drop(_ROW)


def _expressions(table: Dataset) -> list[pl.Expr]:
    return [feature.expr.alias(feature.name) for feature in FEATURES if feature.table == table]


def document() -> str:
    """The table of features as Markdown, as it stands in docs/features.md."""
    lines = [_PREFACE]
    for tier in TIERS:
        lines += [f"## {tier}", "", "| feature | kind | meaning | from | missing |", "|---|---|---|---|---|"]
        lines += [
            f"| `{f.name}` | {f.kind} | {f.meaning} | {_sources(f)} | {f.missing} |" for f in FEATURES if f.tier == tier
        ]
        lines.append("")
    lines += ["## Refused", "", "| column | why |", "|---|---|"]
    lines += [f"| `{name}` | {why} |" for name, why in REFUSED.items()]
    return "\n".join(lines) + "\n"


def _sources(feature: Feature) -> str:
    columns = feature.source.split(", ")
    shown = columns if len(columns) <= 3 else [columns[0], "…", columns[-1]]
    return " ".join(f"`{column}`" if column != "…" else column for column in shown)


_PREFACE: Final = """\
# Features

What a model may know of a crash, by the tier at which it is known first; a tier knows those before it, too. This file
is written by `python -m models.features > docs/features.md`; the table is `FEATURES` in `models/features.py`.

Numbers, flags and categories come from Gold's typed columns: text that says "unknown" and numbers that cannot be are
null there already. A null is never filled with a guess: boosters take it as it is, and a category has a level of its
own for it. Columns of people's and vehicles' rows are aggregated over all rows of the crash.

Three things to know. The tier says when a thing could be known, but all of it was written down in the report: that the
light or the weather is unknown tells a little of who wrote it. Of a person's physical condition only states before the
crash count, because "removed by EMS" stands for an injury. Ejection is a fact of the crash and no proxy: of cyclists
who were thrown off, 15 to 28 in a hundred are reported unhurt.
"""


if __name__ == "__main__":
    print(document(), end="")
