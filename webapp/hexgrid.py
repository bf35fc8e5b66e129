"""Hexagons over the city as they are drawn and named; `streams/domain/hexgrid.py` says how they lie."""

from math import sqrt
from typing import Final

from streams.domain.hexgrid import LATITUDE_METRES as LATITUDE_METRES
from streams.domain.hexgrid import LONGITUDE_METRES as LONGITUDE_METRES
from streams.domain.hexgrid import ORIGIN as ORIGIN

DEFAULT_SIZE: Final = 500  # metres from side to side

# What the SQL needs to know of it.
PARAMETERS: Final = {"lat0": ORIGIN[0], "lng0": ORIGIN[1], "lat_m": LATITUDE_METRES, "lng_m": LONGITUDE_METRES}

_CORNERS: Final = (
    (0, 2),
    (1, 1),
    (1, -1),
    (0, -2),
    (-1, -1),
    (-1, 1),
)  # in halves of a size; northwards by root 3 less

# Chicago's addresses count from State and Madison Street, 800 a mile.
_STATE_AND_MADISON: Final = (41.88197, -87.62781)
_NUMBERS_A_METRE: Final = 800 / 1609.344


def metres(latitude: float, longitude: float) -> tuple[float, float]:
    """A place in metres east and north of the origin."""
    return (longitude - ORIGIN[1]) * LONGITUDE_METRES, (latitude - ORIGIN[0]) * LATITUDE_METRES


def middle(q: int, r: int, size: int) -> tuple[float, float]:
    """The middle of a hexagon, in metres east and north."""
    return size * (q + r / 2), size * r * sqrt(3) / 2


def corners(q: int, r: int, size: int) -> list[tuple[float, float]]:
    """Its six corners, clockwise from the north."""
    x, y = middle(q, r, size)
    return [(x + east * size / 2, y + north * size / sqrt(12)) for east, north in _CORNERS]


def address(latitude: float, longitude: float) -> str:
    """About where a place is in the grid of Chicago's addresses, such as `2400 N, 800 W`."""
    return _address(*metres(latitude, longitude))


def address_of(q: int, r: int, size: int) -> str:
    """The same of a hexagon's middle."""
    return _address(*middle(q, r, size))


def _address(x: float, y: float) -> str:
    east, north = (metre - start for metre, start in zip((x, y), metres(*_STATE_AND_MADISON), strict=True))
    return f"{_hundreds(north)} {'N' if north >= 0 else 'S'}, {_hundreds(east)} {'E' if east >= 0 else 'W'}"


def _hundreds(away: float) -> int:
    return abs(round(away * _NUMBERS_A_METRE / 100)) * 100
