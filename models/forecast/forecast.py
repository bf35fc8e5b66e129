"""The forecast as it is kept: what is expected of the next 14 days, by which method, and how that was tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from models.forecast import model
from models.forecast.backtest import (
    AHEAD,
    LEAST_DAYS,
    LEAST_ORIGINS,
    LEVELS,
    MODEL,
    Level,
    Score,
    backtest,
    expect,
    score,
)
from models.forecast.counts import MEASURES, Counts, Floats, counts
from models.forecast.intervals import COVERAGES, interval

FORECASTS: Final = pl.Schema(
    {
        "measure": pl.String,
        "level": pl.String,
        "beat": pl.Int32,
        "day": pl.Date,
        "expected": pl.Float64,
        "low_80": pl.Int32,
        "high_80": pl.Int32,
        "low_95": pl.Int32,
        "high_95": pl.Int32,
        "method": pl.String,
        "data_through": pl.Date,
    }
)
BACKTESTS: Final = pl.Schema(
    {
        "measure": pl.String,
        "level": pl.String,
        "method": pl.String,
        "served": pl.Boolean,
        "origins": pl.Int32,
        "deviance": pl.Float64,
        "mae": pl.Float64,
        "coverage_80": pl.Float64,
        "coverage_95": pl.Float64,
        "days_known": pl.Int32,
        "complete_through": pl.Date,
        "note": pl.String,
    }
)


@dataclass(frozen=True)
class Forecast:
    """`forecasts`: a row a measure, place and day; `backtests`: a row a measure, level and method."""

    forecasts: pl.DataFrame
    backtests: pl.DataFrame


def forecast(daily: pl.DataFrame, lags: pl.DataFrame) -> Forecast:
    """Forecast each measure for the 14 days after the newest in `daily`, citywide and by beat.

    `daily` and `lags` answer `counts.DAILY` and `counts.LAGS`. Where data are missing there are fewer rows, and the
    notes in `backtests` say why.
    """
    # Arrays this small are done before other threads have woken up.
    with threadpool_limits(limits=1):
        return _forecast(daily, lags)


def _forecast(daily: pl.DataFrame, lags: pl.DataFrame) -> Forecast:
    rows, tests = [FORECASTS.to_frame()], [BACKTESTS.to_frame()]
    for measure in MEASURES:
        counted = counts(daily, lags, measure)
        if counted is None:
            continue
        expected = expect(counted, len(counted.values) - 1)
        trials = backtest(counted)
        for level in LEVELS:
            about = {"measure": measure, "level": level}
            scores = score(trials, level)
            (served,) = (one for one in scores if one.served)
            if served.method in expected:
                rows.append(_rows(counted, expected[served.method][:, LEVELS[level]], served, level, about))
            tests.append(_tests(counted, scores, about))
    return Forecast(pl.concat(rows), pl.concat(tests))


def _rows(counted: Counts, expected: Floats, served: Score, level: Level, about: Mapping[str, Any]) -> pl.DataFrame:
    places = counted.beats if level == "beat" else (None,)
    flat = expected.ravel()
    bounds = {
        f"{end}_{100 * coverage:.0f}": ends
        for coverage in COVERAGES
        for end, ends in zip(("low", "high"), interval(flat, served.spread, coverage), strict=True)
    }
    days = [counted.through + timedelta(days=1 + ahead) for ahead in range(AHEAD) for _ in places]
    columns = {"beat": places * AHEAD, "day": days, "expected": flat, **bounds}
    frame = pl.DataFrame(columns, schema_overrides={"beat": pl.Int32}).with_columns(
        method=pl.lit(served.method),
        data_through=counted.through,
        **{name: pl.lit(value) for name, value in about.items()},
    )
    return frame.select(FORECASTS.names()).cast(FORECASTS)


def _tests(counted: Counts, scores: Sequence[Score], about: Mapping[str, Any]) -> pl.DataFrame:
    known = np.isfinite(counted.values[:, 0])
    complete = counted.first + timedelta(days=int(np.flatnonzero(known)[-1])) if known.any() else None
    shared = {**about, "days_known": int(known.sum()), "complete_through": complete}
    rows = [
        {
            **shared,
            "method": one.method,
            "served": one.served,
            "origins": one.origins,
            "deviance": one.deviance,
            "mae": one.mae,
            **{f"coverage_{100 * share:.0f}": found for share, found in zip(COVERAGES, one.coverage, strict=True)},
            "note": _note(one, int(known.sum())),
        }
        for one in scores
    ]
    return pl.DataFrame(rows, schema=BACKTESTS)


def _note(score: Score, known: int) -> str | None:
    """What is missing, in words; None where nothing is."""
    if known < LEAST_DAYS:
        return f"no forecast yet: {known} of {LEAST_DAYS} complete days"
    if score.method == MODEL and known < model.LEAST_DAYS:
        return f"not tried yet: {known} of {model.LEAST_DAYS} complete days"
    if not score.origins:
        return "not tested yet: no 14 days are complete after those to learn from"
    if score.method == MODEL and score.origins < LEAST_ORIGINS:
        return f"not to be served yet: tested from {score.origins} of {LEAST_ORIGINS} origins"
    if score.method == MODEL and not score.served:
        return "not served: not better than each baseline beyond chance"
    if score.method == "12-month mean" and known < 365:
        return f"a mean of {known} days: twelve months are not there yet"
    return None
