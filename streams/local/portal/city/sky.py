"""Weather and light, which all crashes of an hour share."""

import calendar
from functools import lru_cache

import numpy as np

from streams.local.portal.city.draws import Codes, Floats, Table, generator
from streams.local.portal.city.frequencies import SPELL_HOURS, SURFACE, WEATHER, WEATHER_SEASON

# Rain and snow bring more crashes an hour.
BUSIER = np.array([{"RAIN": 1.15, "SNOW": 1.35}.get(str(name), 1.0) for name in WEATHER.names])


@lru_cache(maxsize=512)
def weather(seed: int, year: int, month: int) -> tuple[Codes, Codes]:
    """Weather and road state in each hour of a month, as codes of WEATHER and SURFACE.

    Weather comes in spells, drawn one after the other; a road stays wet, snowy or icy for a while after.
    """
    hours = 24 * calendar.monthrange(year, month)[1]
    rng = generator(seed, 21, year, month)
    mean = np.array([SPELL_HOURS.get(str(name), 4.0) for name in WEATHER.names])
    share = WEATHER.shares * np.array([WEATHER_SEASON.get(str(name), (1.0,) * 12)[month - 1] for name in WEATHER.names])
    spells = Table([(name, s / m) for name, s, m in zip(WEATHER.names, share, mean, strict=True)])
    kinds = spells.codes(rng, hours + 24)
    sky = np.repeat(kinds, rng.geometric(1 / mean[kinds]))
    sky = sky[rng.integers(0, 24) :][:hours]  # a month may begin in the middle of a spell
    return sky, _roads(sky, rng)


def _roads(sky: Codes, rng: np.random.Generator) -> Codes:
    def since(*names: str) -> Codes:
        """Hours since weather of these names; large if none yet."""
        hour = np.arange(len(sky))
        last = np.maximum.accumulate(np.where(WEATHER.mask(*names)[sky], hour, -100))
        return hour - last

    dry, wet, snow, ice = (SURFACE.code(name) for name in ("DRY", "WET", "SNOW OR SLUSH", "ICE"))
    rain, flakes = since("RAIN", "FREEZING RAIN/DRIZZLE"), since("SNOW", "BLOWING SNOW", "SLEET/HAIL")
    road = np.where(rain <= 3, wet, dry)
    after_snow = np.where(rng.random(len(sky)) < 0.12, ice, np.where(flakes <= 6, snow, wet))
    return np.where(flakes <= 12, after_snow, road)


def weather_as_seen(rng: np.random.Generator, codes: Codes) -> Codes:
    """Weather as a reporter notes it: not always known."""
    return _noted(rng, codes, WEATHER, unknown=0.062, other=0.0032)


def roads_as_seen(rng: np.random.Generator, codes: Codes) -> Codes:
    """Road states as a reporter notes them."""
    wrong = rng.random(len(codes)) < 0.04
    return _noted(rng, np.where(wrong, SURFACE.code("DRY"), codes), SURFACE, unknown=0.072, other=0.0025)


def _noted(rng: np.random.Generator, codes: Codes, table: Table, unknown: float, other: float) -> Codes:
    u = rng.random(len(codes))
    return np.where(u < unknown, table.code("UNKNOWN"), np.where(u < unknown + other, table.code("OTHER"), codes))


def sun_altitude(day_of_year: Codes, utc_hours: Floats) -> tuple[Floats, Floats]:
    """Altitude of the sun over Chicago and its hour angle (negative before noon), both in degrees."""
    declination = np.radians(-23.44 * np.cos(2 * np.pi * (day_of_year + 10) / 365.25))
    hour_angle = (utc_hours - 5.842 - 12.0 + 12.0) % 24.0 - 12.0  # 87.63 degrees west are 5.842 hours
    latitude, turn = np.radians(41.88), np.radians(15.0 * hour_angle)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(turn)
    return np.degrees(np.arcsin(sine)), 15.0 * hour_angle
