"""The forecast as a whole: what is served after how much history, and what is said of it."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from models.forecast.backtest import backtest, score
from models.forecast.counts import counts
from models.forecast.forecast import BACKTESTS, FORECASTS, forecast
from tests.daily_counts import LAGS, THROUGH, WEEK, daily


def _methods(backtests: pl.DataFrame) -> dict[tuple[str, str], str]:
    return {(row["measure"], row["level"]): row["method"] for row in backtests.filter("served").to_dicts()}


def _note(backtests: pl.DataFrame, **which: Any) -> str:
    (row,) = backtests.filter(*(pl.col(name) == value for name, value in which.items())).to_dicts()
    return str(row["note"])


def test_with_two_years_the_model_beats_the_baselines_and_is_served() -> None:
    found = forecast(daily(2 * 365, rough=0.01), LAGS)
    assert set(_methods(found.backtests).values()) == {"model"}
    city = found.backtests.filter(pl.col("level") == "city", pl.col("served"))
    assert city["origins"].min() >= 40
    assert city["coverage_80"].is_between(0.72, 0.9).all()
    assert city["coverage_95"].is_between(0.9, 1).all()
    assert city["note"].null_count() == 2

    rows = found.forecasts
    assert rows.height == 2 * 14 * 21
    assert set(rows["day"]) == {THROUGH + timedelta(days=n) for n in range(1, 15)}
    assert (rows["low_95"] <= rows["low_80"]).all()
    assert (rows["low_80"] < rows["high_80"]).all()
    assert (rows["high_80"] <= rows["high_95"]).all()
    totals = rows.group_by("measure", "level").agg(pl.col("expected").sum()).sort("measure", "level")["expected"]
    assert abs(totals[0] / totals[1] - 1) < 0.02


def test_where_a_baseline_is_as_good_it_is_served() -> None:
    rng = np.random.default_rng(5)
    flat = daily(2 * 365, beats=1)
    level = pl.Series("crashes", rng.poisson(300, flat.height))
    found = forecast(flat.with_columns(level, injuries=level // 7, known=level), LAGS)
    assert _methods(found.backtests)["crashes", "city"] == "12-month mean"
    assert "beyond chance" in _note(found.backtests, measure="crashes", level="city", method="model")


def test_with_thirty_days_a_baseline_is_served_and_what_is_missing_is_said() -> None:
    found = forecast(daily(30), LAGS)
    assert "model" not in _methods(found.backtests).values()
    assert found.forecasts.height == 2 * 14 * 21
    assert "28 of 56 complete days" in _note(found.backtests, measure="crashes", level="city", method="model")
    assert _methods(found.backtests)["injuries", "city"] == "seasonal-naive"
    assert _methods(found.backtests)["injuries", "beat"] == "12-month mean"
    assert "not tested yet" in _note(found.backtests, measure="injuries", level="beat", method="seasonal-naive")


def test_with_a_few_days_there_is_no_forecast_but_a_reason() -> None:
    for days in (1, 5):
        found = forecast(daily(days), LAGS)
        assert found.forecasts.is_empty()
        assert "complete days" in _note(found.backtests, measure="crashes", level="city", method="seasonal-naive")
    nothing = forecast(daily(5).clear(), LAGS)
    assert (nothing.forecasts.schema, nothing.backtests.schema) == (FORECASTS, BACKTESTS)
    assert nothing.forecasts.is_empty()
    assert nothing.backtests.is_empty()


def test_crashes_without_a_beat_leave_a_forecast_of_the_city() -> None:
    found = forecast(daily(100, beats=1).with_columns(beat=pl.lit(None, pl.Int32)), LAGS)
    assert set(found.forecasts["level"]) == {"city"}


def test_a_model_that_was_tested_but_a_few_times_waits() -> None:
    counted = counts(daily(150), LAGS, "crashes")
    assert counted
    scores = {one.method: one for one in score(backtest(counted), "city")}
    assert 0 < scores["model"].origins < 8
    assert not scores["model"].served


def test_the_weeks_rhythm_is_in_the_forecast() -> None:
    found = forecast(daily(2 * 365), LAGS).forecasts.filter(level="city", measure="crashes")
    by_weekday = found.group_by(pl.col("day").dt.weekday()).agg(pl.col("expected").mean()).sort("day")["expected"]
    assert np.abs(by_weekday.to_numpy() / by_weekday.mean() - WEEK / WEEK.mean()).max() < 0.03
