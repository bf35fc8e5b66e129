"""Daily counts as Gold answers them, of a made-up city whose rhythm is known."""

from datetime import date, timedelta

import numpy as np
import polars as pl

THROUGH = date(2025, 11, 22)
# One crash in a hundred is filed two days late, none later.
LAGS = pl.DataFrame({"lag": [0, 1, 2], "crashes": [9_000, 900, 100]})
WEEK = np.array([0.95, 0.97, 1.0, 1.0, 1.15, 1.03, 0.9])


def expected(day: date) -> float:
    """Crashes of a day: busier in summer and on Fridays."""
    season = 1 + 0.12 * np.sin(2 * np.pi * (day.timetuple().tm_yday - 100) / 365.25)
    return float(300 * season * WEEK[day.weekday()])


def daily(days: int, *, beats: int = 20, seed: int = 1, rough: float = 0.0, through: date = THROUGH) -> pl.DataFrame:
    """So many days up to `through`, which is half over. `rough` is how far days differ beyond chance (dispersion)."""
    rng = np.random.default_rng(seed)
    share = rng.gamma(3, 1, beats)
    share /= share.sum()
    dates = [through - timedelta(days=days - 1 - n) for n in range(days)]
    mean = np.array([expected(day) for day in dates])
    if rough:
        mean *= rng.gamma(1 / rough, rough, days)
    crashes = rng.poisson(mean[:, None] * share)
    crashes[-1] = rng.binomial(crashes[-1], 0.5)
    cells = {
        "day": np.repeat(np.array(dates, dtype="datetime64[D]"), beats),
        "beat": np.tile(100 + np.arange(beats), days),
        "crashes": crashes.ravel(),
        "injuries": rng.binomial(crashes, 0.15).ravel(),
        "known": crashes.ravel(),
    }
    schema = {"day": pl.Date, "beat": pl.Int32, "crashes": pl.Int64, "injuries": pl.Int64, "known": pl.Int64}
    return pl.DataFrame(cells, schema=schema).filter(pl.col("crashes") > 0)
