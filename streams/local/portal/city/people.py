"""The people table: drivers, passengers, pedestrians and cyclists; and what the crash did to them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from streams.local.portal.city import outcomes
from streams.local.portal.city import people_frequencies as of
from streams.local.portal.city.crashes import Crashes
from streams.local.portal.city.draws import Codes, Flags, Floats, Table, chance, kept, numbered, sigmoid, texts, yes_no
from streams.local.portal.city.frequencies import PRIMARY_CAUSE
from streams.local.portal.city.units import MOTORCYCLES, Units
from streams.local.portal.city.vehicle_frequencies import UNIT_TYPE

_TYPES = Table({"DRIVER": 1, "PASSENGER": 1, "PEDESTRIAN": 1, "BICYCLE": 1, "NON-MOTOR VEHICLE": 1,
                "NON-CONTACT VEHICLE": 1})  # fmt: skip
_WITHOUT_PEOPLE = 0.0022  # of crashes


@dataclass(frozen=True)
class People:
    """A block of people. `crash` is the index of each one's crash, `injury` a code of INJURY."""

    frame: pl.DataFrame
    crash: Codes
    injury: Codes
    counted: Flags  # by crash: whether it has people rows


def _ages(rng: np.random.Generator, passenger: Flags, walks: Flags, vague: Flags) -> tuple[Codes, pl.Series]:
    """Ages in years, and as published: null for a good quarter, most of all who were not met."""
    n = len(passenger)
    adult = 15.5 + rng.gamma(2.2, 10.6, n)
    child = rng.random(n) * 16 * np.where(chance(rng, 0.16, n), 0, 1)
    young = np.where(passenger, chance(rng, 0.27, n), walks & chance(rng, 0.10, n))
    age = np.minimum(np.where(young, child, adult), 101).astype(np.int64)
    odd = chance(rng, 0.0025, n)
    age = np.where(odd, np.where(chance(rng, 0.8, n), 0, rng.integers(100, 111, n)), age)
    share = np.where(passenger, 0.26, np.where(walks, 0.20, np.where(vague, 0.47, 0.085)))
    published = kept(~chance(rng, share, n), texts(age))
    return age, published


def _choose(*cases: tuple[Flags, pl.Series]) -> pl.Series:
    """For each row the value of the first case that holds; null if none does."""
    frame = pl.DataFrame([column for i, (flag, text) in enumerate(cases)
                          for column in (pl.Series(f"k{i}", flag), text.alias(f"v{i}"))])  # fmt: skip
    choice: Any = pl.when("k0").then("v0")  # Polars gives the first link of such a chain another type
    for i in range(1, len(cases)):
        choice = choice.when(f"k{i}").then(f"v{i}")
    return frame.select(choice.otherwise(None)).to_series()


def _gear(rng: np.random.Generator, kind: dict[str, Flags], age: Codes, vague: Flags) -> pl.Series:
    """Safety equipment."""
    n = len(age)
    unknown = Table({"USAGE UNKNOWN": 1}).draw(rng, n)
    return _choose(
        (kind["PEDESTRIAN"], of.WALKER_GEAR.draw(rng, n)),
        (kind["BICYCLE"] | kind["NON-MOTOR VEHICLE"], of.BICYCLE_GEAR.draw(rng, n)),
        (kind["rider"], of.HELMET.draw(rng, n)),
        (kind["PASSENGER"] & (age < 8), of.CHILD_SEAT.draw(rng, n)),
        (kind["PASSENGER"], of.PASSENGER_BELT.draw(rng, n)),
        (vague & chance(rng, 0.62, n), unknown),
        (np.ones(n, dtype=np.bool_), of.DRIVER_BELT.draw(rng, n)),
    )


def _ejection(rng: np.random.Generator, kind: dict[str, Flags], impact: Floats, vague: Flags) -> pl.Series:
    n = len(impact)
    cycles = kind["BICYCLE"] | kind["NON-MOTOR VEHICLE"]
    out = np.where(cycles, 0.20, np.where(kind["rider"], 0.35, 0.0)) + sigmoid(-10.2 + 1.1 * impact)
    u = rng.random(n)
    word = np.where(u < 0.8 * out, of.EJECTION.code("TOTALLY EJECTED"), of.EJECTION.code("PARTIALLY EJECTED"))
    codes = np.where(u < out, word, of.EJECTION.code("NONE"))
    codes = np.where(
        chance(rng, sigmoid(-9.6 + 1.2 * impact), n) & ~cycles, of.EJECTION.code("TRAPPED/EXTRICATED"), codes
    )
    unsure = np.where(vague, 0.14, 0.05)
    codes = np.where((u > 1 - unsure) & (codes == of.EJECTION.code("NONE")), of.EJECTION.code("UNKNOWN"), codes)
    return kept(~(kind["PEDESTRIAN"] | chance(rng, 0.004, n)), of.EJECTION.gather(codes))


def _action(rng: np.random.Generator, cause: Codes, at_fault: Flags) -> pl.Series:
    n = len(cause)
    actions = Table([(of.ACTION_OF_CAUSE.get(str(name)), 1.0) for name in PRIMARY_CAUSE.names])
    blamed = kept(at_fault & chance(rng, 0.8, n), actions.gather(cause))
    return blamed.fill_null(of.ACTION.draw(rng, n))


def people(rng: np.random.Generator, crashes: Crashes, units: Units, base: Codes) -> People:
    """The people of a block. Passenger numbers count up from `base[day]`."""
    counted = ~chance(rng, _WITHOUT_PEOPLE, len(crashes.units))
    has_person = np.array([str(name) in _TYPES.names for name in UNIT_TYPE.names])[units.kind]
    heads = (has_person + units.passengers) * counted[units.crash]
    unit = np.repeat(np.arange(len(heads)), heads)
    n = len(unit)
    first_row = (np.cumsum(heads) - heads)[unit]
    passenger = np.arange(n) - first_row >= has_person[unit]
    to_type = np.array([_TYPES.names.index(str(name)) if str(name) in _TYPES.names else 0 for name in UNIT_TYPE.names])
    type_code = np.where(passenger, _TYPES.code("PASSENGER"), to_type[units.kind[unit]])
    crash = units.crash[unit]
    kind = {name: type_code == _TYPES.code(name) for name in map(str, _TYPES.names)}
    kind["rider"] = units.rider[unit] & (kind["DRIVER"] | kind["PASSENGER"])
    walks = kind["PEDESTRIAN"] | kind["BICYCLE"] | kind["NON-MOTOR VEHICLE"]
    on_wheels = ~walks

    # Of a driver who fled, and now and then of another, the report knows little.
    fled = crashes.fled[crash] & kind["DRIVER"] & units.striker[unit]
    vague = kind["DRIVER"] & (chance(rng, 0.44, n) | fled)
    age, age_text = _ages(rng, passenger, walks, vague)
    u = rng.random(n)
    nobody = np.where(passenger, 0.083, np.where(walks, 0.03, 0.0005))
    unknown = np.where(fled, 0.62, 0.02)
    male = np.where(kind["BICYCLE"], 0.78, np.where(passenger, 0.46, 0.60))
    sex = np.where(u < nobody, 3, np.where(u < nobody + unknown, 2, np.where(rng.random(n) < male, 0, 1)))
    airbag = _choose((walks & chance(rng, 0.97, n), pl.Series([None] * n, dtype=pl.String)),
                     (units.deployed[unit], of.AIRBAG.draw(rng, n)),
                     (np.ones(n, dtype=np.bool_), of.NO_AIRBAG.draw(rng, n)))  # fmt: skip
    home = ~chance(rng, np.where(fled, 0.75, 0.22), n)
    licensed = kind["DRIVER"] & ~chance(rng, np.where(fled, 0.85, 0.20), n)
    asked = ~passenger  # drivers and people on foot or bicycle answer for what they did
    told = asked & chance(rng, 0.995, n)
    cyclist = kind["BICYCLE"] | kind["NON-MOTOR VEHICLE"]
    afoot = walks & chance(rng, 0.92, n)
    bac = np.where(asked, of.BAC.codes(rng, n), -1)
    measured = (bac == of.BAC.code("TEST TAKEN")) & chance(rng, 0.85, n)
    percent = texts(np.round(np.clip(rng.normal(0.15, 0.07, n), 0.0, 0.42), 2))
    condition = of.CONDITION.codes(rng, n)
    condition = np.where(measured, of.CONDITION.code("IMPAIRED - ALCOHOL"), condition)
    condition = np.where(vague & chance(rng, 0.35, n), of.CONDITION.code("UNKNOWN"), condition)

    day = crashes.day[crash]
    frame = units.frame.select(
        pl.col("crash_record_id", "vehicle_id", "crash_date", "crash_unit_id").gather(pl.Series(unit, dtype=pl.UInt32))
    ).with_columns(
        _TYPES.gather(type_code).alias("person_type"),
        of.SEAT.some(rng, passenger & chance(rng, 0.998, n)).alias("seat_no"),
        of.CITY.some(rng, home).alias("city"),
        of.HOME_STATE.some(rng, home).alias("state"),
        of.ZIP.some(rng, home & chance(rng, 0.90, n)).alias("zipcode"),
        of.SEX.gather(sex).alias("sex"),
        age_text.alias("age"),
        of.HOME_STATE.some(rng, licensed).alias("drivers_license_state"),
        of.LICENSE.some(rng, licensed & chance(rng, 0.86, n)).alias("drivers_license_class"),
        _gear(rng, kind, age, vague).alias("safety_equipment"),
        airbag.alias("airbag_deployed"),
        _ejection(rng, kind, units.impact[unit], vague).alias("ejection"),
        kept(told, _action(rng, crashes.cause[crash], units.striker[unit] & on_wheels)).alias("driver_action"),
        of.VISION.some(rng, told).alias("driver_vision"),
        kept(told, of.CONDITION.gather(condition)).alias("physical_condition"),
        _choose((afoot & cyclist, of.BICYCLE_ACTION.draw(rng, n)),
                (afoot, of.PED_ACTION.draw(rng, n))).alias("pedpedal_action"),
        of.VISIBILITY.some(rng, afoot).alias("pedpedal_visibility"),
        _choose((afoot & cyclist, of.BICYCLE_LOCATION.draw(rng, n)),
                (afoot, of.PED_LOCATION.draw(rng, n))).alias("pedpedal_location"),
        of.BAC.gather(bac).alias("bac_result"),
        kept(measured, percent).alias("bac_result_value"),
        yes_no(rng, n, 0.0004 * asked, 0.0004).alias("cell_phone_use"),
        person_id=_person_ids(passenger, day, base),
    ).drop("crash_unit_id")  # fmt: skip
    injury = _injuries(rng, crashes, units, frame, crash, unit)
    return People(frame.with_columns(_care(rng, injury)), crash, injury, counted)


def _person_ids(passenger: Flags, day: Codes, base: Codes) -> pl.Expr:
    """O and the unit's id, or for passengers P and a number of their own."""
    own = pl.concat_str(pl.lit("P"), pl.lit(texts(numbered(base, day, passenger))))
    return pl.when(pl.Series(passenger)).then(own).otherwise(pl.concat_str(pl.lit("O"), pl.col("crash_unit_id")))


def _injuries(
    rng: np.random.Generator, crashes: Crashes, units: Units, frame: pl.DataFrame, crash: Codes, unit: Codes
) -> Codes:
    """Codes of INJURY, drawn from the outcome model."""
    causes = frame.select(outcomes.OF_PERSON).hstack(
        crashes.frame.select(pl.col(outcomes.OF_CRASH).gather(pl.Series(crash, dtype=pl.UInt32)))
    )
    causes = causes.hstack(units.frame.select(pl.col(outcomes.OF_VEHICLE).gather(pl.Series(unit, dtype=pl.UInt32))))
    chances = outcomes.chances(causes, MOTORCYCLES)
    u = rng.random((4, len(unit)))
    injured, severe, fatal = (u[i] < chances[name].to_numpy() for i, name in enumerate(("injured", "severe", "fatal")))
    light = np.where(u[3] < outcomes.EVIDENT, of.INJURY.code("NONINCAPACITATING INJURY"), 1)
    heavy = np.where(fatal, of.INJURY.code("FATAL"), of.INJURY.code("INCAPACITATING INJURY"))
    return np.where(injured, np.where(severe, heavy, light), 0)


def _care(rng: np.random.Generator, injury: Codes) -> list[pl.Series]:
    """The injury as published, and the ambulance and hospital that follow from it."""
    n = len(injury)
    hospital = chance(rng, np.where(injury > 0, 0.80, 0.09), n)
    agency = chance(rng, np.where(injury > 0, 0.66, 0.045), n)
    run = texts(rng.integers(1000, 99_999, n))
    return [
        of.INJURY.gather(injury).alias("injury_classification"),
        of.HOSPITAL.some(rng, hospital).alias("hospital"),
        of.AGENCY.some(rng, agency).alias("ems_agency"),
        kept(agency & chance(rng, 0.1, n), run).alias("ems_run_no"),
    ]


def results(crashes: Crashes, units: Units, people: People) -> pl.DataFrame:
    """The crash rows completed: injuries counted from the people rows, and the crash type that follows."""
    n = len(crashes.units)
    by_class = np.bincount(people.crash * 5 + people.injury, minlength=5 * n).reshape(n, 5)
    none, reported, evident, incapacitating, fatal = by_class.T
    hurt = by_class[:, 1:].sum(axis=1)
    worst = np.where(people.counted, 4 - np.argmax(by_class[:, ::-1] > 0, axis=1), -1)
    worst = np.where(by_class.sum(axis=1) == 0, -1, worst)
    towed = (
        np.bincount(units.crash, weights=(units.frame["towed_i"] == "Y").fill_null(False).to_numpy(), minlength=n) > 0
    )
    counts = {
        "injuries_total": hurt,
        "injuries_fatal": fatal,
        "injuries_incapacitating": incapacitating,
        "injuries_non_incapacitating": evident,
        "injuries_reported_not_evident": reported,
        "injuries_no_indication": none,
        "injuries_unknown": np.zeros(n, dtype=np.int64),
    }
    return crashes.frame.with_columns(
        of.INJURY.gather(worst).alias("most_severe_injury"),
        _CRASH_TYPE.gather((towed | (hurt > 0)).astype(np.int64)).alias("crash_type"),
        *(kept(worst >= 0, texts(values)).alias(name) for name, values in counts.items()),
    )


_CRASH_TYPE = Table({"NO INJURY / DRIVE AWAY": 1, "INJURY AND / OR TOW DUE TO CRASH": 1})
