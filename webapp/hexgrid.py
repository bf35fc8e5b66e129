"""Hexagons over the city, as `sql/map_found.sql` counts crashes by them.

They stand on a corner, side by side from west to east; `q` counts them eastwards, `r` the rows northwards, of which
each is half a hexagon farther east. Places are in metres from `ORIGIN`, on a cylinder that is true to length there:
from one end of the city to the other that is wrong by less than half a hundredth.
"""

from math import cos, radians, sqrt
from typing import Final

DEFAULT_SIZE: Final = 500  # metres from side to side
ORIGIN: Final = (41.85, -87.7)  # latitude, longitude
LATITUDE_METRES: Final = 111_195.0  # a degree
LONGITUDE_METRES: Final = LATITUDE_METRES * cos(radians(ORIGIN[0]))

# What the SQL needs to know of it.
PARAMETERS: Final = {"lat0": ORIGIN[0], "lng0": ORIGIN[1], "lat_m": LATITUDE_METRES, "lng_m": LONGITUDE_METRES}

_CORNERS: Final = ((0, 2), (1, 1), (1, -1), (0, -2), (-1, -1), (-1, 1))  # in halves of a size, and of a third of a row


def middle(q: int, r: int, size: int) -> tuple[float, float]:
    """Latitude and longitude of a hexagon's middle."""
    x, y = size * (q + r / 2), size * r * sqrt(3) / 2
    return ORIGIN[0] + y / LATITUDE_METRES, ORIGIN[1] + x / LONGITUDE_METRES


def corners(q: int, r: int, size: int) -> list[tuple[float, float]]:
    """Its six corners, clockwise from the north, as longitude and latitude."""
    latitude, longitude = middle(q, r, size)
    return [
        (longitude + east * size / 2 / LONGITUDE_METRES, latitude + north * size / sqrt(12) / LATITUDE_METRES)
        for east, north in _CORNERS
    ]
