"""Which days count: those that are there, and whole."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from models.forecast.counts import counts, delay_of
from tests.daily_counts import LAGS, THROUGH, daily


def test_the_last_days_are_left_out_for_as_long_as_crashes_are_filed_late() -> None:
    assert delay_of(LAGS, "crashes") == 2  # 99 % are filed on the day after; then a day to publish them
    assert delay_of(pl.DataFrame({"lag": [0, 5], "crashes": [90, 10]}), "crashes") == 6
    assert delay_of(LAGS.clear(), "crashes") == 3  # not measured yet
    assert delay_of(LAGS, "injuries") == 14

    found = counts(daily(60), LAGS, "crashes")
    assert found
    assert found.through == THROUGH
    known = np.isfinite(found.values[:, 0])
    assert known.tolist() == [True] * 58 + [False] * 2


def test_a_column_of_the_city_and_one_of_each_beat_add_up() -> None:
    given = daily(60)
    nowhere = given.head(1).with_columns(beat=pl.lit(None, pl.Int32), crashes=pl.lit(7, pl.Int64))
    found = counts(pl.concat([given, nowhere]), LAGS, "crashes")
    assert found
    day = given.filter(pl.col("day") == found.first)
    assert found.values[0, 0] == day["crashes"].sum() + 7
    assert found.values[0, 1:].sum() == day["crashes"].sum()
    assert found.beats == tuple(range(100, 120))


def test_days_that_were_not_copied_are_unknown_and_not_without_crashes() -> None:
    gap = date(2025, 10, 5)
    stray = pl.DataFrame(
        {"day": [date(2024, 1, 1), date(2026, 3, 1)], "beat": [100, 100]}, schema_overrides={"beat": pl.Int32}
    )
    stray = stray.with_columns(crashes=pl.lit(1, pl.Int64), injuries=pl.lit(0, pl.Int64), known=pl.lit(1, pl.Int64))
    found = counts(pl.concat([daily(90).filter(pl.col("day") != gap), stray]), LAGS, "crashes")
    assert found
    assert (found.first, found.through) == (THROUGH - timedelta(days=89), THROUGH)
    assert np.flatnonzero(np.isnan(found.values[:-2, 0])).tolist() == [(gap - found.first).days]


def test_injuries_count_where_outcomes_are_known() -> None:
    unknown = date(2025, 10, 5)
    given = daily(90).with_columns(known=pl.when(pl.col("day") == unknown).then(0).otherwise("known"))
    found = counts(given, LAGS, "injuries")
    assert found
    assert np.flatnonzero(np.isnan(found.values[:, 0])).tolist() == [(unknown - found.first).days, *range(76, 90)]


def test_no_crash_at_all_is_nothing_to_count() -> None:
    assert counts(daily(9).clear(), LAGS, "crashes") is None
