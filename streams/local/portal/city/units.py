"""The vehicle table: one row a unit, whether a vehicle or a pedestrian or cyclist."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from streams.local.portal.city import vehicle_frequencies as of
from streams.local.portal.city.commerce import commercial
from streams.local.portal.city.crashes import Crashes
from streams.local.portal.city.draws import (
    Codes,
    Conditional,
    Flags,
    Floats,
    Table,
    associate,
    chance,
    kept,
    numbered,
    sigmoid,
    texts,
    yes_no,
)
from streams.local.portal.city.frequencies import FIRST_CRASH

_KINDS = {str(name): code for code, name in enumerate(of.UNIT_TYPE.names)}
MOTORCYCLES = ("MOTORCYCLE (OVER 150CC)", "AUTOCYCLE", "MOTOR DRIVEN CYCLE", "MOPED OR MOTORIZED BICYCLE",
               "3-WHEELED MOTORCYCLE (2 REAR WHEELS)")  # fmt: skip
_TRUCKS = ("TRUCK - SINGLE UNIT", "TRACTOR W/ SEMI-TRAILER", "SINGLE UNIT TRUCK WITH TRAILER",
           "OTHER VEHICLE WITH TRAILER", "TRACTOR W/O SEMI-TRAILER")  # fmt: skip
_BUSES = ("BUS OVER 15 PASS.", "BUS UP TO 15 PASS.")
# What the striking unit and the others did, by first crash type.
_STRIKING = {
    "TURNING": {"TURNING LEFT": 14.0, "TURNING RIGHT": 9.0, "U-TURN": 5.0, "BACKING": 0.1},
    "REAR TO FRONT": {"BACKING": 20.0}, "REAR TO SIDE": {"BACKING": 20.0}, "REAR TO REAR": {"BACKING": 30.0},
    "SIDESWIPE SAME DIRECTION": {"CHANGING LANES": 8.0, "PASSING/OVERTAKING": 5.0, "MERGING": 5.0, "BACKING": 0.1},
    "REAR END": {"SLOW/STOP IN TRAFFIC": 1.5, "TURNING LEFT": 0.2, "BACKING": 0.2},
    "FIXED OBJECT": {"SKIDDING/CONTROL LOSS": 10.0, "AVOIDING VEHICLES/OBJECTS": 5.0},
    "PARKED MOTOR VEHICLE": {"BACKING": 2.0, "ENTERING TRAFFIC LANE FROM PARKING": 2.0},
}  # fmt: skip
_STRUCK = {
    "REAR END": {"SLOW/STOP IN TRAFFIC": 9.0, "SLOW/STOP - LEFT TURN": 8.0, "BACKING": 0.1},
    "TURNING": {"TURNING LEFT": 0.8, "BACKING": 0.1},
}
_UNSEEN = list(of.MODELS).index(("UNKNOWN", "UNKNOWN"))
_NOW = 2026  # vehicle years beyond it are junk, whatever the crash's year


@dataclass(frozen=True)
class Units:
    """A block of units: the published rows, and what their people need. Arrays run parallel to the rows."""

    frame: pl.DataFrame
    crash: Codes  # index of the crash in its block
    kind: Codes  # UNIT_TYPE
    striker: Flags  # one a crash; the unit that caused it, in the simulation
    passengers: Codes
    rider: Flags  # of a motorcycle
    impact: Floats
    deployed: Flags


@lru_cache(maxsize=1)
def _maneuvers() -> tuple[Conditional, Conditional]:
    return associate(FIRST_CRASH, of.MANEUVER, _STRIKING), associate(FIRST_CRASH, of.MANEUVER, _STRUCK)


def _kinds(rng: np.random.Generator, first: Codes, other: Flags, unit_no: Codes) -> Codes:
    """Unit types: one unit is a driver, what the `other` ones are follows from the first crash type."""
    n = len(first)
    u = rng.random(n)
    kind = np.full(n, _KINDS["DRIVER"])
    edges = np.cumsum([0.021, 0.0095, 0.0005, 0.00027, 0.0028])
    for name, low, high in zip(
        ("PARKED", "DRIVERLESS", "NON-CONTACT VEHICLE", "DISABLED VEHICLE", "None"),
        [0.0, *edges[:-1]], edges, strict=True,
    ):  # fmt: skip
        kind = np.where(other & (u >= low) & (u < high), _KINDS[name], kind)

    def of_type(name: str) -> Flags:
        return other & FIRST_CRASH.mask(name)[first]

    parked = of_type("PARKED MOTOR VEHICLE")
    kind = np.where(parked, np.where(u < 0.925, _KINDS["PARKED"], np.where(u < 0.95, _KINDS["DRIVERLESS"], 0)), kind)
    lone = (unit_no <= 2) | (u < 0.35)  # further units are mostly vehicles
    walker = np.where(u < 0.985, _KINDS["PEDESTRIAN"], _KINDS["NON-MOTOR VEHICLE"])
    cyclist = np.where(u < 0.955, _KINDS["BICYCLE"], _KINDS["NON-MOTOR VEHICLE"])
    kind = np.where(of_type("PEDESTRIAN") & lone, walker, kind)
    return np.where(of_type("PEDALCYCLIST") & lone, cyclist, kind)


def _years(rng: np.random.Generator, crash_year: Codes, present: Flags) -> pl.Series:
    """Vehicle years: about nine years old on average, a fifth unknown, a few impossible."""
    n = len(crash_year)
    age = np.floor(rng.gamma(2.1, 4.3, n)) - 1
    year = np.minimum(crash_year - age.astype(np.int64), _NOW + 1)
    junk = chance(rng, 0.0006, n)
    typo = np.where(chance(rng, 0.5, n), rng.integers(1900, 1960, n), rng.integers(_NOW + 2, 10_000, n))
    year = np.where(junk, np.where(chance(rng, 0.3, n), 9999, typo), year)
    known = present & chance(rng, 0.865, n)
    return kept(known, texts(year))


def _makes(rng: np.random.Generator, crash_year: Codes, present: Flags, known: Flags) -> tuple[pl.Series, pl.Series]:
    """Make and model; the maker of Toyotas was spelled out until 2021."""
    pairs = Table([(str(i), share) for i, share in enumerate(of.MODELS.values())])
    codes = np.where(present, np.where(known, pairs.codes(rng, len(present)), _UNSEEN), -1)
    makes = Table([(make, 1.0) for make, _ in of.MODELS] + [("TOYOTA MOTOR COMPANY, LTD.", 1.0)])
    models = Table([(model, 1.0) for _, model in of.MODELS])
    toyota = np.array([make == "TOYOTA" for make, _ in of.MODELS] + [False])
    formal = toyota[codes] & (crash_year <= 2021) & chance(rng, 0.75, len(present))
    return makes.gather(np.where(formal, len(of.MODELS), codes)), models.gather(codes)


def _uses(rng: np.random.Generator, present: Flags, trucks: Flags, buses: Flags) -> pl.Series:
    special = of.TRUCK_USE.some(rng, trucks).fill_null(of.BUS_USE.some(rng, buses))
    return special.fill_null(of.VEHICLE_USE.some(rng, present))


def _contacts(rng: np.random.Generator, present: Flags, late: Flags) -> dict[str, pl.Series]:
    """First contact point and the damaged areas; from 2024 on, corners are called so."""
    n = len(present)
    codes = np.where(present, of.CONTACT.codes(rng, n), -1)
    corner = pl.Series(late) & pl.Series(
        ["-" in str(name) and "SIDE" not in str(name) for name in of.CONTACT.names]
    ).gather(np.maximum(codes, 0))
    text = (
        pl.DataFrame({"c": of.CONTACT.gather(codes), "k": corner})
        .select(pl.when("k").then(pl.concat_str("c", pl.lit("-CORNER"))).otherwise("c"))
        .to_series()
    )
    columns = {"first_contact_point": text}
    touched = np.array([int(of.AREA_OF.get(str(name), "-1")) for name in of.CONTACT.names] + [-1])[codes]
    for area, (yes, no) in of.AREAS.items():
        match = touched == int(area)
        share = of.CONTACT.shares[[of.AREA_OF.get(str(name)) == area for name in of.CONTACT.names]].sum()
        rest = max(yes - 0.75 * share, 0.01) / (1 - share)
        columns[f"area_{area}_i"] = yes_no(rng, n, np.where(match, 0.75, rest) * present, no * present)
    return columns


def units(rng: np.random.Generator, crashes: Crashes, base: Codes, years: Codes) -> Units:
    """The units of a block of crashes. Ids count up from `base[day]`; `years[day]` is the day's year."""
    crash = np.repeat(np.arange(len(crashes.units)), crashes.units)
    n = len(crash)
    start = np.cumsum(crashes.units) - crashes.units
    unit_no = np.arange(n) - start[crash] + 1
    first, day = crashes.first[crash], crashes.day[crash]
    swapped = (chance(rng, 0.22, len(crashes.units)) & (crashes.units > 1))[crash]
    striker = unit_no == np.where(swapped, 2, 1)
    kind = _kinds(rng, first, ~striker, unit_no)
    driver = kind == _KINDS["DRIVER"]
    present = np.isin(
        kind, [_KINDS[k] for k in ("DRIVER", "PARKED", "DRIVERLESS", "NON-CONTACT VEHICLE", "DISABLED VEHICLE")]
    )

    striking, struck = _maneuvers()
    fled = crashes.fled[crash] & striker
    impact = crashes.impact[crash] + 0.5 * rng.standard_normal(n)
    body = np.where(present, of.VEHICLE_TYPE.codes(rng, n), -1)
    body = np.where(fled & present & chance(rng, 0.35, n), of.VEHICLE_TYPE.code("UNKNOWN/NA"), body)

    def is_body(*names: str) -> Flags:
        return np.append(of.VEHICLE_TYPE.mask(*names), False)[body]

    rider = is_body(*MOTORCYCLES) & driver
    carries = driver & chance(rng, 0.215, n) & ~fled
    passengers = np.where(carries, np.array(of.PASSENGERS.names).astype(np.int64)[of.PASSENGERS.codes(rng, n)], 0)
    passengers = np.where(rider, np.minimum(passengers, 1), passengers)
    passengers = np.where(is_body(*_BUSES), passengers, np.minimum(passengers, 7))
    deployed = driver & ~rider & chance(rng, sigmoid(-4.45 + 1.45 * impact), n)
    towed = present & chance(rng, sigmoid(-3.5 + 1.45 * impact + 2.2 * deployed), n)
    maneuver = of.MANEUVER.gather(
        np.where(driver, np.where(striker, striking.codes(rng, first), struck.codes(rng, first)), -1)
    )
    stands = np.isin(kind, [_KINDS["PARKED"], _KINDS["DRIVERLESS"], _KINDS["DISABLED VEHICLE"]])
    parked = Table({"PARKED": 965, "UNKNOWN/NA": 12, "OTHER": 8, "PARKED IN TRAFFIC LANE": 15}).some(
        rng, stands | (present & ~driver)
    )
    crash_year = years[day]
    make, model = _makes(rng, crash_year, present, ~(fled & chance(rng, 0.6, n)))
    occupants = passengers + driver
    occupants = np.where(chance(rng, 4e-6, n), 99, occupants)
    no = np.where(chance(rng, 1.5e-5, n), 0, np.where(chance(rng, 8e-7, n), 3_778_035, unit_no))
    tow_word = towed & chance(rng, 0.75, n)
    truck = is_body(*_TRUCKS, *_BUSES) & driver
    frame = crashes.frame.select(
        pl.col("crash_record_id", "crash_date").gather(pl.Series(crash, dtype=pl.UInt32))
    ).with_columns(
        texts(numbered(base, day, np.ones(n, dtype=np.bool_))).alias("crash_unit_id"),
        texts(no).alias("unit_no"),
        of.UNIT_TYPE.gather(kind).alias("unit_type"),
        kept(passengers > 0, texts(passengers)).alias("num_passengers"),
        kept(present, texts(numbered(base, day, present))).alias("vehicle_id"),
        kept(present, texts(occupants)).alias("occupant_cnt"),
        yes_no(rng, n, np.where(truck, 0.24, 0.0012) * present, 0.0064 * present).alias("cmrc_veh_i"),
        make.alias("make"), model.alias("model"),
        of.PLATE_STATE.some(rng, present & ~(fled & chance(rng, 0.25, n))).alias("lic_plate_state"),
        _years(rng, crash_year, present & ~(fled & chance(rng, 0.3, n))).alias("vehicle_year"),
        of.VEHICLE_DEFECT.some(rng, present).alias("vehicle_defect"),
        of.VEHICLE_TYPE.gather(body).alias("vehicle_type"),
        _uses(rng, present, is_body(*_TRUCKS), is_body(*_BUSES)).alias("vehicle_use"),
        of.DIRECTION.some(rng, present).alias("travel_direction"),
        maneuver.fill_null(parked).alias("maneuver"),
        yes_no(rng, n, towed.astype(np.float64), 0.0067 * present).alias("towed_i"),
        yes_no(rng, n, 0.00044 * present, 0.00034 * present).alias("fire_i"),
        yes_no(rng, n, 0.00145 * present, 0.00048 * present).alias("exceed_speed_limit_i"),
        of.TOWED_BY.some(rng, tow_word).alias("towed_by"),
        of.TOWED_TO.some(rng, tow_word & chance(rng, 0.62, n)).alias("towed_to"),
        **_contacts(rng, present, crash_year >= 2024),
    )  # fmt: skip
    hauls = truck & chance(rng, 0.27, n)
    frame = frame.with_columns(commercial(rng, hauls, numbered(base, day, hauls)))
    return Units(frame, crash, kind, striker, passengers, rider, impact, deployed)
