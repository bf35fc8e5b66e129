"""One year of a small city, generated once for all tests of it."""

from dataclasses import dataclass
from datetime import date

import polars as pl
import pytest

from streams.local.portal.city import City

CRASHES = 50_000


@dataclass(frozen=True)
class Year:
    city: City
    crashes: pl.DataFrame
    vehicles: pl.DataFrame
    people: pl.DataFrame


@pytest.fixture(scope="session")
def year() -> Year:
    city = City(7)
    chunks = list(city.history(date(2023, 1, 1), date(2024, 1, 1), CRASHES))
    return Year(city, **{name: pl.concat(chunk[name] for chunk in chunks) for name in chunks[0]})
