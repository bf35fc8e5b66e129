"""From published text to Gold's types: a value that cannot be is null and flagged, and no row is ever dropped.

The rules stand once a `Kind` below, and in words in `docs/gold.md`. A flag is `<column>:unparsable` (the text is
no value of the column's type) or `<column>:impossible` (a value that the column cannot have).
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from streams.domain.engineer import engineer
from streams.domain.merge import flatten
from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES, Column, Kind, Table

FLAGS: Final = "quality_flags"

UNKNOWN: Final = ("", "UNKNOWN", "UNK", "UNKN", "UNKOWN", "UNKNOWN/NA", "N/A", "NA")

# They name a row: whatever they say, they stay.
_NAMES: Final = frozenset({"crash_record_id", "person_id"})

# The model year on sale runs ahead of the calendar; further ahead than this it is a typing error.
_MODEL_YEARS_AHEAD: Final = 2

_ISO_TIME: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:[0-5]\d(\.\d{1,6})?$"


@dataclass(frozen=True)
class GoldFrames:
    """The three tables as Gold holds them: typed, in its column order, ordered by key."""

    crashes: pl.DataFrame
    vehicles: pl.DataFrame
    people: pl.DataFrame


@dataclass(frozen=True)
class _Cleaned:
    """A column's value, and its flag (null where there is none) if it can have one."""

    value: pl.Expr
    flag: pl.Expr | None = None


def gold_frames(silver: pl.DataFrame) -> GoldFrames:
    """Gold's rows of a Silver frame (schema `silver_schema()`), as a pure function of its rows."""
    vehicles = clean(flatten(silver, VEHICLES), VEHICLES)
    people = clean(flatten(silver, PEOPLE), PEOPLE)
    crashes = engineer(clean(flatten(silver, CRASHES), CRASHES), vehicles, people)
    return GoldFrames(crashes, vehicles, people)


def clean(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Type rows as published (schema `published(table)`): `table`'s columns and `quality_flags`."""
    cleaned = {column.name: _clean(column) for column in table.columns}
    if table is CRASHES:
        cleaned |= _coordinates(cleaned["latitude"], cleaned["longitude"])
    if table is VEHICLES:
        cleaned["vehicle_year"] = _model_year(cleaned["vehicle_year"], cleaned["crash_date"].value)
    flags = [column.flag for column in cleaned.values() if column.flag is not None]
    return (
        rows.lazy()
        .select(
            *(column.value.alias(name) for name, column in cleaned.items()),
            pl.concat_list(flags).list.drop_nulls().list.sort().alias(FLAGS),
        )
        .collect()
    )


def _clean(column: Column) -> _Cleaned:
    match column.kind:
        case Kind.TEXT:
            text = pl.col(column.name).str.strip_chars()
            return _Cleaned(text if column.name in _NAMES else _known(text))
        case Kind.FLAG:
            return _boolean(column)
        case Kind.INTEGER:
            return _ranged(column, _integral(_stated(column)), pl.Int32)
        case Kind.BIGINT:
            return _ranged(column, _integral(_stated(column)), pl.Int64)
        case Kind.REAL:
            return _ranged(column, _finite(_stated(column)), pl.Float64)
        case Kind.TIME:
            return _time(column)
        case Kind.POINT:
            return _Cleaned(pl.col(column.name))


def _known(text: pl.Expr) -> pl.Expr:
    return pl.when(~text.str.to_uppercase().is_in(UNKNOWN)).then(text)


def _stated(column: Column) -> pl.Expr:
    return _known(pl.col(column.name).str.strip_chars())


def _boolean(column: Column) -> _Cleaned:
    text = _stated(column).str.to_uppercase()
    value = pl.when(text == "Y").then(True).when(text == "N").then(False)
    odd = text.is_not_null() & ~text.is_in(["Y", "N", "U"])
    return _Cleaned(value, _flag(column, unparsable=odd))


def _integral(text: pl.Expr) -> pl.Expr:
    """Text of an integral number as Int64, also when it is written as "30.0" or "3e1"; else null."""
    real = text.cast(pl.Float64, strict=False)
    whole = (real == real.floor()) & (real >= -(2.0**63)) & (real < 2.0**63)
    # The detour over a double would round what is longer than 53 bits.
    return text.cast(pl.Int64, strict=False).fill_null(
        pl.when(whole & text.str.contains(r"[.eE]")).then(real).cast(pl.Int64, strict=False)
    )


def _finite(text: pl.Expr) -> pl.Expr:
    real = text.cast(pl.Float64, strict=False)
    return pl.when(real.is_finite()).then(real)


def _ranged(column: Column, number: pl.Expr, dtype: type[pl.DataType]) -> _Cleaned:
    possible = number.is_between(column.low, column.high)
    unparsable = number.is_null() & _stated(column).is_not_null()
    return _Cleaned(
        pl.when(possible).then(number).cast(dtype), _flag(column, unparsable=unparsable, impossible=~possible)
    )


def _time(column: Column) -> _Cleaned:
    """Local time exactly as published; no zone is assumed."""
    text = pl.col(column.name).str.strip_chars()
    iso = pl.when(text.str.contains(_ISO_TIME)).then(text.str.replace(" ", "T", literal=True))
    value = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return _Cleaned(value, _flag(column, unparsable=text.is_not_null() & value.is_null()))


def _coordinates(latitude: _Cleaned, longitude: _Cleaned) -> dict[str, _Cleaned]:
    """A place is there as a whole or not at all."""
    whole = latitude.value.is_not_null() & longitude.value.is_not_null()
    return {
        "latitude": _Cleaned(pl.when(whole).then(latitude.value), latitude.flag),
        "longitude": _Cleaned(pl.when(whole).then(longitude.value), longitude.flag),
        "location": _Cleaned(pl.when(whole).then(pl.col("location"))),
    }


def _model_year(year: _Cleaned, crash_date: pl.Expr) -> _Cleaned:
    ahead = (year.value > crash_date.dt.year() + _MODEL_YEARS_AHEAD).fill_null(value=False)
    return _Cleaned(
        pl.when(~ahead).then(year.value),
        pl.when(ahead).then(pl.lit("vehicle_year:impossible")).otherwise(year.flag),
    )


def _flag(column: Column, *, unparsable: pl.Expr, impossible: pl.Expr | None = None) -> pl.Expr:
    flag = pl.when(unparsable).then(pl.lit(f"{column.name}:unparsable"))
    if impossible is not None:
        return flag.when(impossible).then(pl.lit(f"{column.name}:impossible"))
    return flag.otherwise(None)
