"""Training, calibration and test rows, in that order of time: a model is judged by what came after all it has seen."""

import math
from dataclasses import dataclass
from typing import Final

import polars as pl

from streams.errors import DataTooThin, RequestError

SHARES: Final = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Split:
    """Three frames as `labelled` gives them, each in order of time, and each wholly before the next."""

    train: pl.DataFrame
    calibrate: pl.DataFrame
    test: pl.DataFrame


def split(labelled: pl.DataFrame, shares: tuple[float, float, float] = SHARES) -> Split:
    """Cut the rows into three by time, as near to `shares` as can be without cutting an instant in two.

    Many crashes bear the same rounded minute; all rows of one instant fall on the same side. Raises `RequestError` for
    shares that are none, `DataTooThin` where a part is empty or all of one class.
    """
    if len(shares) != 3 or min(shares) <= 0 or not math.isclose(sum(shares), 1):
        raise RequestError(
            f"the shares {shares} do not cut anything into three",
            field="shares",
            hint=f"give three above 0 whose sum is 1, such as {SHARES}",
        )
    rows = labelled.sort("crash_date", "crash_record_id")
    first = _cut(rows["crash_date"], round(shares[0] * rows.height))
    second = _cut(rows["crash_date"], round((shares[0] + shares[1]) * rows.height))
    parts = Split(rows[:first], rows[first:second], rows[second:])
    for name in ("train", "calibrate", "test"):
        _check(name, getattr(parts, name), rows.height)
    return parts


def _cut(dates: pl.Series, at: int) -> int:
    """The boundary between two instants that is nearest to row `at` of sorted `dates`."""
    if not 0 < at < len(dates):
        return at
    before = int(dates.search_sorted(dates[at], side="left"))
    after = int(dates.search_sorted(dates[at], side="right"))
    return before if at - before <= after - at else after


def _check(name: str, part: pl.DataFrame, rows: int) -> None:
    classes = part["label"].n_unique()
    if classes < 2:
        held = "no rows" if part.is_empty() else f"{part.height:,} rows of one class only"
        raise DataTooThin(
            f"of {rows:,} rows with a known outcome, the {name} part has {held}",
            hint="backfill more months, or give a longer window",
        )
