"""The grid of hexagons over the city, in which the map counts crashes: its sizes, and where it lies.

Hexagons stand on a corner, side by side from west to east; `q` counts them eastwards, `r` the rows northwards, of which
each is half a hexagon farther east. Places are in metres east and north of `ORIGIN`, on a cylinder that is true to
length there: from one end of the city to the other that is wrong by less than half a hundredth.
"""

from math import cos, radians
from typing import Final

SIZES: Final = (250, 500, 1000, 2000)  # metres from side to side
ORIGIN: Final = (41.85, -87.7)  # latitude, longitude
LATITUDE_METRES: Final = 111_195.0  # a degree
LONGITUDE_METRES: Final = LATITUDE_METRES * cos(radians(ORIGIN[0]))
