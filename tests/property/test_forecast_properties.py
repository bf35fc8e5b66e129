"""What holds of forecasts whatever the counts: no look ahead, and no crash."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forecast.backtest import AHEAD, backtest, expect
from models.forecast.counts import Counts, counts
from models.forecast.forecast import forecast
from tests.daily_counts import LAGS, THROUGH, daily

HISTORY = counts(daily(200, beats=3), LAGS, "crashes")


@settings(max_examples=10, deadline=None)
@given(origin=st.integers(10, 199), seed=st.integers(0, 2**32 - 1), delay=st.integers(1, 14))
def test_what_came_after_an_origin_changes_nothing_of_its_forecast(origin: int, seed: int, delay: int) -> None:
    assert HISTORY
    values = HISTORY.values.copy()
    known_then = origin + 1 - delay
    values[max(known_then, 0) :] = np.random.default_rng(seed).integers(0, 10_000, values[max(known_then, 0) :].shape)
    then, other = (Counts(HISTORY.first, HISTORY.beats, v, delay) for v in (HISTORY.values, values))
    for (name, one), (same, two) in zip(expect(then, origin).items(), expect(other, origin).items(), strict=True):
        assert name == same
        np.testing.assert_array_equal(one, two)


@settings(max_examples=5, deadline=None)
@given(days=st.integers(30, 200))
def test_every_trial_is_judged_on_days_after_its_origin_and_no_day_twice(days: int) -> None:
    counted = counts(daily(days, beats=2), LAGS, "crashes")
    assert counted
    trials = backtest(counted)
    for trial in trials:
        np.testing.assert_array_equal(trial.actual, counted.values[trial.origin + 1 : trial.origin + 1 + AHEAD])
    origins = [trial.origin for trial in trials]
    assert all(later - earlier == AHEAD for earlier, later in pairwise(origins))


@settings(max_examples=30, deadline=None)
@given(
    cells=st.lists(
        st.tuples(
            st.integers(0, 90),
            st.none() | st.integers(1, 4),
            st.integers(1, 60),
            st.floats(0, 1),
            st.booleans(),
        ),
        max_size=150,
        unique_by=lambda cell: cell[:2],
    )
)
def test_whatever_was_counted_the_forecast_is_of_numbers_or_says_why_not(
    cells: list[tuple[int, int | None, int, float, bool]],
) -> None:
    rows = [
        (THROUGH - timedelta(days=back), beat, crashes, round(crashes * hurt) if known else 0, crashes if known else 0)
        for back, beat, crashes, hurt, known in cells
    ]
    found = forecast(pl.DataFrame(rows, schema=daily(1).schema, orient="row"), LAGS)
    expected = found.forecasts["expected"]
    assert expected.is_finite().all()
    assert (expected >= 0).all()
    served = found.backtests.filter("served")
    assert served.select("measure", "level").is_unique().all()
    made = set(found.forecasts.select("measure", "level").iter_rows())
    without = served.filter(
        pl.struct("measure", "level").map_elements(lambda s: tuple(s.values()) not in made, pl.Boolean)
    )
    assert without.filter(pl.col("note").is_null(), level="city").is_empty()
