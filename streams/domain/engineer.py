"""Columns of `crashes` that follow from others: when, where, who was in it, and how it ended.

Frames in, frames out, all typed as Gold is. An outcome that is not known yet stays null: it is not "no injury".
"""

from typing import Final

import polars as pl

# In Gold's order, between the source columns and `quality_flags`; the value is the type in Gold.
ENGINEERED: Final = {
    "year": "INTEGER",
    "month": "INTEGER",
    "day": "INTEGER",
    "hour": "INTEGER",
    "day_of_week": "INTEGER",
    "is_weekend": "BOOLEAN",
    "hour_bin": "VARCHAR",
    "lat_bin": "DOUBLE",
    "lng_bin": "DOUBLE",
    "grid_id": "VARCHAR",
    "veh_count": "INTEGER",
    "ppl_count": "INTEGER",
    "veh_truck_i": "BOOLEAN",
    "veh_mc_i": "BOOLEAN",
    "ppl_age_mean": "DOUBLE",
    "ppl_age_min": "INTEGER",
    "ppl_age_max": "INTEGER",
    "injury": "BOOLEAN",
    "injury_severe": "BOOLEAN",
}

_KEY: Final = "crash_record_id"
_SATURDAY: Final = 6


def engineer(crashes: pl.DataFrame, vehicles: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Cleaned `crashes` with their engineered columns; `vehicles` and `people` are all that belong to them."""
    source = [name for name in crashes.columns if name not in ENGINEERED and name != "quality_flags"]
    return (
        crashes.lazy()
        .select(*source, "quality_flags")
        .join(_units(vehicles.lazy()), on=_KEY, how="left")
        .join(_persons(people.lazy()), on=_KEY, how="left")
        .with_columns(**_when(), **_where(), **_outcome())
        .with_columns(
            pl.col("veh_count", "ppl_count").fill_null(0),
            pl.col("veh_truck_i", "veh_mc_i").fill_null(value=False),
        )
        .select(*source, *ENGINEERED, "quality_flags")
        .sort(_KEY)
        .collect()
    )


def _units(vehicles: pl.LazyFrame) -> pl.LazyFrame:
    kind = pl.col("vehicle_type")
    return vehicles.group_by(_KEY).agg(
        veh_count=pl.len().cast(pl.Int32),
        veh_truck_i=kind.str.contains("TRUCK", literal=True).fill_null(value=False).any(),
        veh_mc_i=kind.str.contains("MOTORCYCLE", literal=True).fill_null(value=False).any(),
    )


def _persons(people: pl.LazyFrame) -> pl.LazyFrame:
    """Ages count once a person, not once a value: 30, 30 and 60 have a mean of 40."""
    age = pl.col("age")
    return people.group_by(_KEY).agg(
        ppl_count=pl.len().cast(pl.Int32),
        ppl_age_mean=pl.when(age.count() > 0).then(age.cast(pl.Int64).sum() / age.count()),
        ppl_age_min=age.min(),
        ppl_age_max=age.max(),
    )


def _when() -> dict[str, pl.Expr]:
    date = pl.col("crash_date").dt
    hour = date.hour()
    return {
        "year": date.year().cast(pl.Int32),
        "month": date.month().cast(pl.Int32),
        "day": date.day().cast(pl.Int32),
        "hour": hour.cast(pl.Int32),
        "day_of_week": date.weekday().cast(pl.Int32),
        "is_weekend": date.weekday() >= _SATURDAY,
        "hour_bin": pl.when(hour <= 6)
        .then(pl.lit("night"))
        .when(hour <= 12)
        .then(pl.lit("morning"))
        .when(hour <= 18)
        .then(pl.lit("afternoon"))
        .when(hour <= 23)
        .then(pl.lit("evening")),
    }


def _where() -> dict[str, pl.Expr]:
    latitude, longitude = _hundredths("latitude"), _hundredths("longitude")
    return {
        # Polars divides by a constant as it multiplies by its reciprocal, which is off by a last bit; `round` is not.
        "lat_bin": (latitude / 100).round(2),
        "lng_bin": (longitude / 100).round(2),
        "grid_id": pl.concat_str(_decimal(latitude), _decimal(longitude), separator="_"),
    }


def _hundredths(column: str) -> pl.Expr:
    """Whole hundredths of a degree, halves away from zero: the same steps as SQL's `round(x, 2)` in DuckDB."""
    return (pl.col(column) * 100).round(0, mode="half_away_from_zero").cast(pl.Int64)


def _decimal(hundredths: pl.Expr) -> pl.Expr:
    """Exactly two decimals, whatever a double prints as."""
    whole, part = hundredths.abs() // 100, hundredths.abs() % 100
    sign = pl.when(hundredths < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, whole.cast(pl.String), pl.lit("."), part.cast(pl.String).str.pad_start(2, "0"))


def _outcome() -> dict[str, pl.Expr]:
    severe = pl.col("injuries_fatal") + pl.col("injuries_incapacitating")
    return {"injury": pl.col("injuries_total") >= 1, "injury_severe": severe >= 1}
