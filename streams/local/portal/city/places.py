"""Where crashes happen: points along the streets, inside the city, each in its police beat."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from streams.local.portal.city.draws import Codes, Flags, Floats, generator
from streams.local.portal.city.streets import Street, streets

LATITUDE, LONGITUDE = 41.8821, -87.6278  # State and Madison
MILE_NORTH, MILE_EAST = 0.014492, 0.019415  # degrees
STEP = 25  # address numbers between two points of a street: 32 a mile

# The city's outline, coarsely: the lake shore from Howard Street to the state line, then back by the west.
_OUTLINE = np.array([
    (42.0225, -87.6645), (41.990, -87.654), (41.965, -87.638), (41.930, -87.630), (41.911, -87.624),
    (41.893, -87.606), (41.868, -87.616), (41.840, -87.607), (41.800, -87.581), (41.775, -87.571),
    (41.758, -87.551), (41.732, -87.530), (41.710, -87.525), (41.645, -87.525), (41.645, -87.616),
    (41.660, -87.641), (41.678, -87.660), (41.678, -87.721), (41.706, -87.721), (41.706, -87.683),
    (41.735, -87.683), (41.735, -87.742), (41.757, -87.742), (41.757, -87.766), (41.771, -87.803),
    (41.793, -87.803), (41.793, -87.744), (41.821, -87.744), (41.821, -87.725), (41.846, -87.725),
    (41.846, -87.742), (41.865, -87.742), (41.865, -87.7755), (41.9105, -87.7755), (41.9105, -87.8065),
    (41.938, -87.8065), (41.953, -87.838), (41.953, -87.935), (42.000, -87.935), (42.004, -87.890),
    (41.976, -87.862), (41.976, -87.838), (41.998, -87.822), (42.0195, -87.8075), (42.0195, -87.790),
    (41.9985, -87.760), (41.9985, -87.709), (42.0225, -87.709),
])  # fmt: skip

# Police districts, each a point near its middle and its crashes relative to its streets.
_DISTRICTS = {
    1: (41.872, -87.625, 1.5), 2: (41.807, -87.615, 0.9), 3: (41.771, -87.600, 1.0), 4: (41.715, -87.555, 0.8),
    5: (41.685, -87.615, 0.7), 6: (41.744, -87.630, 1.1), 7: (41.776, -87.655, 1.1), 8: (41.777, -87.735, 1.2),
    9: (41.815, -87.660, 1.0), 10: (41.850, -87.710, 1.1), 11: (41.882, -87.715, 1.3), 12: (41.868, -87.665, 1.2),
    14: (41.918, -87.695, 1.1), 15: (41.885, -87.760, 1.2), 16: (41.965, -87.800, 0.7), 17: (41.960, -87.715, 1.0),
    18: (41.903, -87.632, 1.6), 19: (41.942, -87.655, 1.3), 20: (41.980, -87.675, 0.9), 22: (41.700, -87.675, 0.7),
    24: (42.005, -87.680, 1.0), 25: (41.920, -87.760, 1.2),
}  # fmt: skip

_BUSY = {"arterial": 1.0, "collector": 0.30, "local": 0.10}
_CROSSING = np.array([1.0, 2.0, 9.0])  # by kind: between crossings, at a street, at an arterial


@dataclass(frozen=True)
class Places:
    """Parallel arrays, one element a point; `street` indexes `streets()`."""

    street: Codes
    number: Codes  # along the numbered axis; negative south and west
    east: Floats  # grid address
    north: Floats
    along: npt.NDArray[np.float64]  # (points, 2): change of (east, north) for one number more
    survey: npt.NDArray[np.float64]  # (points, 2): degrees (north, east) by which the street leaves its line
    crossing: Codes  # 0 between crossings, 1 at a street, 2 at an arterial
    arterial: Flags
    beat: Codes
    weight: Floats  # sums to 1
    names: list[str]
    along_meridian: Flags  # numbered north-south

    def kinds(self) -> Codes:
        """0-2 by crossing on a side street, 3-5 on an arterial."""
        return self.crossing + 3 * self.arterial


def coordinates(east: Floats, north: Floats) -> tuple[Floats, Floats]:
    """Latitude and longitude of grid addresses."""
    south = np.interp(-north, [0, 1200, 2200, 3100, 15100], [0, 1, 2, 3, 18])
    miles = np.where(north >= 0, north / 800, -south)
    return LATITUDE + miles * MILE_NORTH, LONGITUDE + east / 800 * MILE_EAST


def in_city(latitude: Floats, longitude: Floats) -> Flags:
    """Whether points lie inside the outline (even-odd rule)."""
    inside = np.zeros(len(latitude), dtype=np.bool_)
    for (lat0, lng0), (lat1, lng1) in zip(_OUTLINE, np.roll(_OUTLINE, -1, axis=0), strict=True):
        straddles = (lat0 > latitude) != (lat1 > latitude)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = lng0 + (latitude - lat0) * (lng1 - lng0) / (lat1 - lat0)
        inside ^= straddles & (longitude < at)
    return inside


def beats(latitude: Floats, longitude: Floats) -> tuple[Codes, Floats]:
    """Beat numbers (district, sector 1-3, beat 1-4) and the district's relative load."""
    ids = np.array(list(_DISTRICTS))
    middle = np.array(list(_DISTRICTS.values()))
    north = (latitude[:, None] - middle[:, 0]) / MILE_NORTH
    east = (longitude[:, None] - middle[:, 1]) / MILE_EAST
    nearest = np.argmin(north**2 + east**2, axis=1)
    row = np.arange(len(latitude))
    north, east = north[row, nearest], east[row, nearest]
    turn = (np.arctan2(north, east) / (2 * np.pi)) % 1.0
    sector = np.minimum((turn * 3).astype(np.int64), 2)
    half = ((turn * 6).astype(np.int64)) % 2
    outer = (north**2 + east**2 > 0.8).astype(np.int64)
    return ids[nearest] * 100 + (sector + 1) * 10 + 1 + half + 2 * outer, middle[nearest, 2]


def _points(street: Street) -> tuple[Codes, Floats, Floats, npt.NDArray[np.float64]]:
    axis = 1 if street.numbered == "NS" else 0
    start, end = np.array(street.start), np.array(street.end)
    along = (end - start) / (end[axis] - start[axis])
    low, high = sorted((start[axis], end[axis]))
    number = np.arange(np.ceil(low / STEP), np.floor(high / STEP) + 1) * STEP
    point = start + (number - start[axis])[:, None] * along
    return number.astype(np.int64), point[:, 0], point[:, 1], np.tile(along, (len(number), 1))


def _crossings(number: Codes, across: Floats) -> Codes:
    gap = np.abs(number[:, None] - across[None, :]).min(axis=1)
    return np.where(gap <= STEP / 2, 2, np.where(number % 100 == 0, 1, 0))


@lru_cache(maxsize=1)
def places() -> Places:
    """All places of the city; the same for every seed, as the streets are."""
    grid = streets()
    arterials = {
        axis: np.array([
            street.start[1 - (axis == "EW")]
            for street in grid
            if street.rank == "arterial" and street.numbered != axis and street.straight
        ])
        for axis in ("NS", "EW")
    }  # fmt: skip
    columns: list[list[npt.NDArray[np.generic]]] = []
    for index, street in enumerate(grid):
        number, east, north, along = _points(street)
        inside = in_city(*coordinates(east, north))
        number, east, north, along = number[inside], east[inside], north[inside], along[inside]
        crossing, size = _crossings(number, arterials[street.numbered]), len(number)
        busy, meridian = np.full(size, _BUSY[street.rank]), np.full(size, street.numbered == "NS")
        columns.append([np.full(size, index), number, east, north, along, crossing, busy, meridian])
    street_index, number, east, north, along, crossing, busy, meridian = map(np.concatenate, zip(*columns, strict=True))
    beat, load = beats(*coordinates(east, north))
    # Some corners are worse than others, whatever the year: a fixed draw, not the seed's.
    rng = generator(1837)
    hot = rng.gamma(0.6, size=len(number)) + 0.15
    weight = busy * _CROSSING[crossing] * load * hot
    return Places(
        street=street_index,
        number=number,
        east=east,
        north=north,
        along=along,
        survey=rng.normal(0.0, 5e-5, (len(number), 2)),
        crossing=crossing,
        arterial=busy == _BUSY["arterial"],
        beat=beat,
        weight=weight / weight.sum(),
        names=[street.name for street in grid],
        along_meridian=meridian,
    )
