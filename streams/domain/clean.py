"""From published text to Gold's types: a value that cannot be is null and flagged, and no row is ever dropped.

The rules stand once a `Kind` below, and in words in `docs/gold.md`. A flag is `<column>:unparsable` (the text is
no value of the column's type) or `<column>:impossible` (a value that the column cannot have).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from streams.domain.engineer import engineer
from streams.domain.merge import flatten, live, winners, with_content
from streams.domain.schemas import CRASHES, LATITUDES, LONGITUDES, PEOPLE, VEHICLES, Column, Kind, Table

FLAGS: Final = "quality_flags"

UNKNOWN: Final = ("", "UNKNOWN", "UNK", "UNKN", "UNKOWN", "UNKNOWN/NA", "N/A", "NA")

# They name a row: whatever they say, they stay.
_NAMES: Final = frozenset({"crash_record_id", "person_id"})

# The model year on sale runs ahead of the calendar; further ahead than this it is a typing error.
_MODEL_YEARS_AHEAD: Final = 2

_BOUNDS: Final = {"latitude": LATITUDES, "longitude": LONGITUDES}
_PLACE: Final = frozenset({*_BOUNDS, "location"})

_PARSED: Final = "parsed:"

_ISO_TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{3})?$"

# What parsers take beyond this (1_000, inf, 0x1f) is no number that somebody meant.
_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class GoldFrames:
    """The three tables as Gold holds them: typed, in its column order, ordered by key."""

    crashes: pl.DataFrame
    vehicles: pl.DataFrame
    people: pl.DataFrame


def gold_frames(silver: pl.DataFrame) -> GoldFrames:
    """Gold's rows of a Silver frame (schema `silver_schema()`), as a pure function of its rows.

    Of rows of one key in several months the one published last counts, as it does within a month.
    """
    vehicles = clean(_rows(silver, VEHICLES), VEHICLES)
    people = clean(_rows(silver, PEOPLE), PEOPLE)
    crashes = engineer(clean(_rows(silver, CRASHES), CRASHES), vehicles, people)
    return GoldFrames(crashes, vehicles, people)


def _rows(silver: pl.DataFrame, table: Table) -> pl.DataFrame:
    rows = live(flatten(silver, table))
    return winners(with_content(rows, table), table) if rows[table.key].is_duplicated().any() else rows


def clean(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Type rows as published (schema `published(table)`): `table`'s columns and `quality_flags`."""
    parsed = [column for column in table.columns if column.kind in _PARSERS]
    return (
        rows.lazy()
        .select(_stated(column) for column in table.columns)
        .with_columns(_PARSERS[column.kind](pl.col(column.name)).alias(_PARSED + column.name) for column in parsed)
        .select(
            *(_value(column).alias(column.name) for column in table.columns),
            _flags(parsed).alias(FLAGS),
        )
        .collect()
    )


def _stated(column: Column) -> pl.Expr:
    """What the text says, without blanks around it; null where it says that nothing is known."""
    if column.kind is Kind.POINT:
        return pl.col(column.name)
    text = pl.col(column.name).str.strip_chars()
    if column.name in _NAMES:
        return text
    unknown = (*UNKNOWN, "U") if column.kind is Kind.FLAG else UNKNOWN
    return pl.when(~text.str.to_uppercase().is_in(unknown)).then(text)


def _boolean(text: pl.Expr) -> pl.Expr:
    said = text.str.to_uppercase()
    return pl.when(said == "Y").then(pl.lit(value=True)).when(said == "N").then(pl.lit(value=False))


def _integral(text: pl.Expr) -> pl.Expr:
    """Text of an integral number as Int64, also when it is written as "30.0" or "3e1"; else null."""
    # Not by way of a double where it can be helped: that would round what is longer than 53 bits.
    whole = _numeric(text).str.replace(r"\.0*$", "").str.strip_prefix("+").cast(pl.Int64, strict=False)
    real = _real(text)
    integral = (real == real.floor()) & (real >= -(2.0**63)) & (real < 2.0**63)
    scientific = pl.when(integral & text.str.contains("[eE]")).then(real).cast(pl.Int64, strict=False)
    return whole.fill_null(scientific)


def _real(text: pl.Expr) -> pl.Expr:
    real = _numeric(text).cast(pl.Float64, strict=False)
    return pl.when(real.is_finite()).then(real)


def _numeric(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_NUMBER)).then(text)


def time(text: pl.Expr) -> pl.Expr:
    """Local time exactly as published; no zone is assumed."""
    iso = pl.when(text.str.contains(_ISO_TIME)).then(text.str.replace(" ", "T", literal=True))
    return iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)


_PARSERS: Final[dict[Kind, Callable[[pl.Expr], pl.Expr]]] = {
    Kind.FLAG: _boolean,
    Kind.INTEGER: _integral,
    Kind.BIGINT: _integral,
    Kind.REAL: _real,
    Kind.TIME: time,
}


def _parsed(name: str) -> pl.Expr:
    return pl.col(_PARSED + name)


def _value(column: Column) -> pl.Expr:
    if column.name in _PLACE:  # there as a whole or not at all
        whole = pl.all_horizontal(_parsed(name).is_between(*_BOUNDS[name]) for name in _BOUNDS)
        return pl.when(whole).then(pl.col(column.name) if column.kind is Kind.POINT else _parsed(column.name))
    match column.kind:
        case Kind.TEXT | Kind.POINT:
            return pl.col(column.name)
        case Kind.FLAG | Kind.TIME:
            return _parsed(column.name)
        case Kind.INTEGER:
            return pl.when(_possible(column)).then(_parsed(column.name)).cast(pl.Int32)
        case Kind.BIGINT | Kind.REAL:
            return pl.when(_possible(column)).then(_parsed(column.name))


def _possible(column: Column) -> pl.Expr:
    number = _parsed(column.name)
    possible = number.is_between(column.low, column.high)
    if column.name == "vehicle_year":
        latest = _parsed("crash_date").dt.year() + _MODEL_YEARS_AHEAD
        return possible & (number <= latest).fill_null(value=True)
    return possible


def _flags(columns: Sequence[Column]) -> pl.Expr:
    """The flags of a row, in order. Joined as text first: a list of columns that are nearly all null takes long."""
    flags = [_flag(column) for column in sorted(columns, key=lambda column: f"{column.name}:")]
    return pl.concat_str(flags, separator=" ", ignore_nulls=True).str.extract_all(r"\S+")


def _flag(column: Column) -> pl.Expr:
    unparsable = pl.col(column.name).is_not_null() & _parsed(column.name).is_null()
    flag = pl.when(unparsable).then(pl.lit(f"{column.name}:unparsable"))
    if column.kind in (Kind.FLAG, Kind.TIME):
        return flag.otherwise(None)
    return flag.when(~_possible(column)).then(pl.lit(f"{column.name}:impossible"))
