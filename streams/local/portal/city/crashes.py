"""The crash table, but for its outcomes: when, where, under what conditions, what hit what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa

from streams.local.portal.city import clock, sky
from streams.local.portal.city.associations import SITES, associations, settings, sites
from streams.local.portal.city.draws import (
    Codes,
    Flags,
    Floats,
    Table,
    chance,
    sigmoid,
    texts,
    yes_no,
)
from streams.local.portal.city.frequencies import (
    ALIGNMENT,
    CONTROL,
    DAMAGE,
    DEFECT,
    DEVICE,
    FIRST_CRASH,
    LANES,
    LIGHT,
    PRIMARY_CAUSE,
    SECONDARY_CAUSE,
    SPEED,
    SURFACE,
    TRAFFICWAY,
    WEATHER,
    WORK_ZONE,
)
from streams.local.portal.city.places import coordinates, places

ISO = "%Y-%m-%dT%H:%M:%S.000"
_SINGLE = ("FIXED OBJECT", "OTHER OBJECT", "OTHER NONCOLLISION", "ANIMAL", "OVERTURNED")
_SPEEDS = np.array([float(str(name)) for name in SPEED.names])
REPORT = Table({"NOT ON SCENE (DESK REPORT)": 1, "ON SCENE": 1, "AMENDED": 1})

# How hard the first crash types hit, in standard deviations of the impact.
_IMPACT = {
    "ANGLE": 0.75, "HEAD ON": 1.0, "FIXED OBJECT": 1.45, "TURNING": 0.3, "OVERTURNED": 2.0, "TRAIN": 2.0,
    "PARKED MOTOR VEHICLE": -0.25, "SIDESWIPE SAME DIRECTION": -0.6, "REAR TO FRONT": -1.0, "REAR TO SIDE": -1.0,
    "REAR TO REAR": -1.2, "SIDESWIPE OPPOSITE DIRECTION": -0.2, "PEDESTRIAN": -0.3, "PEDALCYCLIST": -0.6,
    "OTHER NONCOLLISION": 1.0, "OTHER OBJECT": 0.9, "ANIMAL": -0.2,
}  # fmt: skip
_FLED = {
    "PARKED MOTOR VEHICLE": 0.62, "SIDESWIPE SAME DIRECTION": 0.36, "REAR END": 0.17, "TURNING": 0.16,
    "ANGLE": 0.17, "FIXED OBJECT": 0.18, "PEDESTRIAN": 0.30, "PEDALCYCLIST": 0.24, "REAR TO FRONT": 0.3,
    "SIDESWIPE OPPOSITE DIRECTION": 0.42, "HEAD ON": 0.2, "REAR TO SIDE": 0.2,
}  # fmt: skip
_POLICE_CAME = {
    "PARKED MOTOR VEHICLE": 0.35, "FIXED OBJECT": 1.0, "PEDESTRIAN": 2.0, "PEDALCYCLIST": 1.7, "ANGLE": 0.2,
    "REAR END": -0.45, "SIDESWIPE SAME DIRECTION": -0.25, "TURNING": 0.1,
}  # fmt: skip


def by_type(effects: dict[str, float], default: float = 0.0) -> Floats:
    """Effects by first crash type, as an array over the codes of FIRST_CRASH."""
    return np.array([effects.get(str(name), default) for name in FIRST_CRASH.names])


@dataclass(frozen=True)
class Crashes:
    """A block of crashes: what is published of them so far, and what their units and people need."""

    frame: pl.DataFrame
    day: Codes  # index of the day in the block
    first: Codes  # FIRST_CRASH
    units: Codes
    impact: Floats  # standard normal but for its causes; not published
    fled: Flags
    cause: Codes  # PRIMARY_CAUSE
    filed: pl.Series  # local Datetime: when police was notified


def record_ids(rng: np.random.Generator, n: int) -> pl.Series:
    """Ids of 128 hexadecimal characters, so many bits that no two are equal."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    text = digits[np.frombuffer(rng.bytes(64 * n), dtype=np.uint8)[:, None] >> np.array([4, 0], dtype=np.uint8) & 15]
    offsets = np.arange(0, 128 * (n + 1), 128, dtype=np.int64)
    strings = pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes()))
    return pl.Series("crash_record_id", pl.from_arrow(strings), dtype=pl.String)


def _moments(rng: np.random.Generator, seed: int, days: Sequence[date], counts: Codes) -> pl.Series:
    """The moments of the crashes, exact to the second, ascending."""
    midnight = pl.Series(days, dtype=pl.Date).cast(pl.Datetime("ms")).to_physical().to_numpy()
    seconds = clock.seconds_of_day(rng, seed, days, counts)
    return pl.Series(np.repeat(midnight, counts) + 1000 * seconds).cast(pl.Datetime("ms"))


def _conditions(rng: np.random.Generator, seed: int, at: pl.Series) -> tuple[dict[str, pl.Series], Flags]:
    """Weather, road surface and light; and whether it is dark."""
    n = len(at)
    month = (at.dt.year().cast(pl.Int32) * 12 + at.dt.month().cast(pl.Int32) - 1).to_numpy()
    hour = (at.dt.day().cast(pl.Int32) * 24 - 24 + at.dt.hour().cast(pl.Int32)).to_numpy()
    weather, road = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for m in np.unique(month):
        here = month == m
        of_month = sky.weather(seed, int(m) // 12, int(m) % 12 + 1)
        weather[here], road[here] = of_month[0][hour[here]], of_month[1][hour[here]]
    utc = clock.to_utc(at)
    utc_hours = (utc.dt.hour() + utc.dt.minute() / 60).to_numpy()
    altitude, hour_angle = sky.sun_altitude(utc.dt.ordinal_day().cast(pl.Int64).to_numpy(), utc_hours)
    dark = altitude < -6
    twilight = np.where(hour_angle < 0, LIGHT.code("DAWN"), LIGHT.code("DUSK"))
    lamps = np.where(chance(rng, 0.83, n), LIGHT.code("DARKNESS, LIGHTED ROAD"), LIGHT.code("DARKNESS"))
    light = np.where(dark, lamps, np.where(altitude < 1.0, twilight, LIGHT.code("DAYLIGHT")))
    slip = rng.random(n)  # a few reports get the light wrong, as real ones do
    light = np.where(slip < 0.008, rng.integers(0, 5, n), light)
    light = np.where(slip > 0.955, LIGHT.code("UNKNOWN"), light)
    return {
        "weather_condition": WEATHER.gather(sky.weather_as_seen(rng, weather)),
        "roadway_surface_cond": SURFACE.gather(sky.roads_as_seen(rng, road)),
        "lighting_condition": LIGHT.gather(light),
    }, dark


def _location(rng: np.random.Generator, spot: Codes) -> dict[str, pl.Series]:
    """Address, beat and coordinates of crashes at places."""
    here, n = places(), len(spot)
    shift = np.where(here.crossing[spot] > 0, 0, rng.integers(-12, 13, n))
    number = here.number[spot] + shift
    latitude, longitude = coordinates(
        here.east[spot] + shift * here.along[spot, 0], here.north[spot] + shift * here.along[spot, 1]
    )
    compass = np.where(here.along_meridian[spot], np.where(number >= 0, 0, 1), np.where(number >= 0, 2, 3))
    missing = chance(rng, 0.0074, n)
    zero = chance(rng, 1e-5, n)
    latitude = np.where(zero, 0.0, latitude + here.survey[spot, 0])
    longitude = np.where(zero, 0.0, longitude + here.survey[spot, 1])
    known = pl.Series(~missing)
    frame = pl.DataFrame({"known": known, "lat": latitude, "lng": longitude}).select(
        latitude=pl.when("known").then(pl.col("lat").round(10).cast(pl.String)),
        longitude=pl.when("known").then(pl.col("lng").round(10).cast(pl.String)),
        location=pl.when("known").then(
            pl.struct(
                type=pl.lit("Point"),
                coordinates=pl.concat_list(pl.col("lng").round(12), pl.col("lat").round(12)),
            )
        ),
    )
    street_names = Table(dict.fromkeys(here.names, 1.0))
    return {
        "street_no": texts(np.maximum(np.abs(number), 1)),
        "street_direction": Table({"N": 1, "S": 1, "E": 1, "W": 1}).gather(compass),
        "street_name": street_names.gather(here.street[spot]),
        "beat_of_occurrence": texts(here.beat[spot]),
        **{name: frame[name] for name in frame.columns},
    }


def _unit_counts(rng: np.random.Generator, first: Codes) -> Codes:
    """How many units: one against an object, else two and now and then more, at most 21."""
    single = FIRST_CRASH.mask(*_SINGLE)[first]
    more = by_type({"PARKED MOTOR VEHICLE": 0.115, "REAR END": 0.11, "PEDESTRIAN": 0.05, "ANGLE": 0.065,
                    "TURNING": 0.036, "HEAD ON": 0.08, "SIDESWIPE SAME DIRECTION": 0.035,
                    "PEDALCYCLIST": 0.015}, 0.02)[first]  # fmt: skip
    u = rng.random(len(first))
    tail = 2 + rng.geometric(0.80, len(first))
    several = np.where(u < more, tail, 2)
    vulnerable = FIRST_CRASH.mask("PEDESTRIAN", "PEDALCYCLIST")[first]
    alone = np.where(single, u < 0.91, (u > 0.993) & ~vulnerable)
    return np.minimum(np.where(alone, 1, several), 21)


def _notified(rng: np.random.Generator, at: pl.Series, desk: Flags) -> pl.Series:
    """When police heard of it: within the hour, unless somebody came to the desk the next day."""
    n = len(at)
    normal = rng.standard_normal(n)
    kind = rng.random(n)
    soon, later, next_day = 0.28 * np.exp(0.9 * normal), 1.4 * np.exp(1.0 * normal), 18 * np.exp(0.9 * normal)
    late = np.where(kind < 0.22, next_day, np.where(kind < 0.60, later, soon))
    prompt = np.where(kind < 0.022, next_day, np.where(kind < 0.17, later, soon))
    minutes = np.rint(60 * np.where(desk, late, prompt))
    minutes = np.where(chance(rng, 0.05, n), 0, np.minimum(minutes, 2_000_000)).astype(np.int64)
    return (at.cast(pl.Int64) + pl.Series(minutes * 60_000)).cast(pl.Datetime("ms"))


def crashes(rng: np.random.Generator, seed: int, days: Sequence[date], counts: Codes) -> tuple[Crashes, pl.Series]:
    """`counts[i]` crashes on `days[i]`, in time order; and their exact moments (local Datetime)."""
    tables, here, n = associations(), places(), int(counts.sum())
    moment = _moments(rng, seed, days, counts)
    midnight = moment.dt.truncate("1d").cast(pl.Int64).to_numpy()
    reported = clock.as_reported(rng, (moment.cast(pl.Int64).to_numpy() - midnight) // 1000)
    at = pl.Series(midnight + 1000 * reported).cast(pl.Datetime("ms"))
    conditions, dark = _conditions(rng, seed, at)

    spot = np.minimum(np.searchsorted(np.cumsum(here.weight), rng.random(n), side="right"), len(here.weight) - 1)
    kinds = here.kinds()[spot]
    trafficway = tables.trafficway.codes(rng, kinds)
    control = tables.control.codes(rng, settings(kinds, trafficway))
    site = sites(kinds, trafficway, control)
    speed = tables.speed.codes(rng, site)
    first = tables.first_crash.codes(rng, 2 * site + dark)
    units = _unit_counts(rng, first)
    cause = tables.primary_cause.codes(rng, first)

    mph = np.where((_SPEEDS >= 5) & (_SPEEDS <= 65), _SPEEDS, 30)[speed]
    disregarded = np.array([str(name).startswith("DISREGARDING") for name in PRIMARY_CAUSE.names])[cause]
    impact = rng.standard_normal(n) + by_type(_IMPACT)[first] + (mph - 30) / 12
    impact = impact + 0.35 * dark + 0.7 * disregarded + 0.5 * (units > 2)
    fled = chance(rng, np.clip(by_type(_FLED, 0.12)[first] * np.where(dark, 1.25, 0.93), 0, 1), n)

    came = sigmoid(-0.42 + 0.75 * impact + by_type(_POLICE_CAME)[first] + 0.3 * dark)
    on_scene = chance(rng, came, n)
    unsaid = rng.random(n)
    report = np.where(unsaid < 0.032, -1, np.where(unsaid < 0.0324, 2, np.where(on_scene, 1, 0)))
    filed = _notified(rng, at, ~on_scene)
    wear = 0.62 * impact + rng.standard_normal(n)
    damage = np.where(wear < -1.52, 0, np.where(wear < -0.46, 1, 2))
    junction = np.isin(site, [SITES.index("signal"), SITES.index("stop")])
    lot = site == SITES.index("lot")
    uncontrolled = CONTROL.mask("NO CONTROLS")[control]
    device = np.where(uncontrolled, DEVICE.code("NO CONTROLS"), DEVICE.codes(rng, n))
    device = np.where(CONTROL.mask("UNKNOWN")[control], DEVICE.code("UNKNOWN"), device)
    work_zone = chance(rng, 0.0056, n)
    door = FIRST_CRASH.mask("PEDALCYCLIST")[first] * 0.09 + FIRST_CRASH.mask("PARKED MOTOR VEHICLE")[first] * 0.005

    frame = pl.DataFrame({
        "crash_record_id": record_ids(rng, n),
        "crash_date_est_i": yes_no(rng, n, 0.064, 0.009),
        "crash_date": at.dt.to_string(ISO),
        "posted_speed_limit": SPEED.gather(speed),
        "traffic_control_device": CONTROL.gather(control),
        "device_condition": DEVICE.gather(device),
        **conditions,
        "first_crash_type": FIRST_CRASH.gather(first),
        "trafficway_type": TRAFFICWAY.gather(trafficway),
        "lane_cnt": LANES.draw(rng, n),
        "alignment": ALIGNMENT.draw(rng, n),
        "road_defect": DEFECT.draw(rng, n),
        "report_type": REPORT.gather(report),
        "intersection_related_i": yes_no(rng, n, np.where(junction, 0.46, 0.055), np.where(junction, 0.012, 0.01)),
        "private_property_i": yes_no(rng, n, np.where(lot, 0.43, 0.009), 0.004),
        "hit_and_run_i": yes_no(rng, n, fled.astype(np.float64), 0.0135),
        "damage": DAMAGE.gather(damage),
        "date_police_notified": filed.dt.to_string(ISO),
        "prim_contributory_cause": PRIMARY_CAUSE.gather(cause),
        "sec_contributory_cause": SECONDARY_CAUSE.gather(tables.secondary_cause.codes(rng, first)),
        **_location(rng, spot),
        "photos_taken_i": yes_no(rng, n, 0.0125, 0.004),
        "statements_taken_i": yes_no(rng, n, 0.019, 0.005),
        "dooring_i": yes_no(rng, n, door, 0.001),
        "work_zone_i": yes_no(rng, n, work_zone.astype(np.float64), 0.0013),
        "work_zone_type": WORK_ZONE.some(rng, work_zone & chance(rng, 0.78, n)),
        "workers_present_i": yes_no(rng, n, 0.24 * work_zone, 0.03 * work_zone),
        "num_units": texts(units),
        "crash_hour": at.dt.hour().cast(pl.String),
        "crash_day_of_week": (at.dt.weekday() % 7 + 1).cast(pl.String),
        "crash_month": at.dt.month().cast(pl.String),
    })  # fmt: skip
    day = np.repeat(np.arange(len(days)), counts)
    return Crashes(frame, day, first, units, impact, fled, cause, filed), moment
