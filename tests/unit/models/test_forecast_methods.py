"""The model and what it has to beat, on a city whose rhythm is known."""

from datetime import date

import numpy as np
import pytest
from scipy.stats import nbinom

from models.forecast import baselines, calendar, model
from models.forecast.backtest import AHEAD
from models.forecast.counts import Past, counts
from models.forecast.intervals import covered, dispersion, interval
from tests.daily_counts import LAGS, daily, expected

DAYS = np.arange(AHEAD)


def past_of(days: int) -> Past:
    found = counts(daily(days), LAGS, "crashes")
    assert found
    return found.before(len(found.values) - 1)


def test_the_model_finds_the_rhythm_of_the_week_and_of_the_year() -> None:
    past = past_of(3 * 365)
    days = len(past) + DAYS
    found = model.predict(past, days)
    truth = [expected(date.fromordinal(past.first.toordinal() + int(day))) for day in days]
    assert np.abs(found[:, 0] / truth - 1).max() < 0.05
    assert found[:, 1:].sum(axis=1) == pytest.approx(found[:, 0], rel=0.02)


def test_with_little_history_the_model_stays_near_the_level() -> None:
    past = past_of(60)
    level = past.values[-28:, 0].mean()
    assert model.predict(past, len(past) + DAYS)[:, 0] == pytest.approx(np.full(AHEAD, level), rel=0.2)


def test_a_share_is_shrunk_by_as_much_of_it_as_is_chance() -> None:
    rng = np.random.default_rng(2)
    expectation = np.full(2_000, 30.0)
    chance_alone = model.shrunk(rng.poisson(expectation).astype(float), expectation)
    assert np.abs(chance_alone - 1).max() < 0.1

    ratios = rng.gamma(10, 0.1, 2_000)
    observed = rng.poisson(expectation * ratios).astype(float)
    shrunk = model.shrunk(observed, expectation)
    assert ((shrunk - ratios) ** 2).mean() < 0.8 * ((observed / expectation - ratios) ** 2).mean()


def test_seasonal_naive_is_the_mean_of_the_same_weekday_over_four_weeks() -> None:
    values = np.arange(1.0, 43.0)[:, None]
    values[-1] = np.nan
    found = baselines.seasonal_naive(Past(date(2024, 1, 1), values), np.array([42, 48]))
    assert found[:, 0].tolist() == [np.mean([36, 29, 22, 15]), np.mean([35, 28, 21, 14])]


def test_the_mean_goes_back_twelve_months_and_no_further() -> None:
    values = np.concatenate([np.full(300, 9.0), np.full(365, 2.0)])[:, None]
    assert baselines.twelve_months(Past(date(2022, 1, 1), values), DAYS)[:, 0] == pytest.approx(np.full(AHEAD, 2.0))


def test_a_place_without_a_crash_yet_is_not_expected_to_stay_so_for_ever() -> None:
    quiet = Past(date(2024, 1, 1), np.zeros((28, 2)))
    assert (baselines.seasonal_naive(quiet, 28 + DAYS) > 0).all()
    assert (baselines.twelve_months(quiet, 28 + DAYS) > 0).all()


def test_holidays_move_as_they_do() -> None:
    assert {date(2024, 11, 28), date(2024, 5, 27), date(2024, 9, 2)} < set(calendar.holidays(2024))
    assert {date(2025, 11, 27), date(2025, 5, 26), date(2025, 9, 1)} < set(calendar.holidays(2025))


@pytest.mark.parametrize(("mean", "rough"), [(300.0, 0.02), (40.0, 1e-6), (1.2, 0.1)])
def test_intervals_cover_what_they_claim(mean: float, rough: float) -> None:
    rng = np.random.default_rng(3)
    means = np.full((20_000, 1), mean)
    actual = rng.poisson(rng.gamma(1 / rough, rough * means)).astype(float)
    spread = dispersion(actual, means)
    assert spread == pytest.approx(rough, abs=0.01)
    for coverage in (0.8, 0.95):
        share = covered(actual, means, spread, coverage)
        assert share >= coverage - 0.01
        assert mean < 10 or share < coverage + 0.03  # counts are whole, and few of them leave no choice
        low, high = interval(means[0], spread, coverage)
        inside = nbinom(1 / spread, 1 / (1 + spread * mean)).cdf([low - 1, high - 1])
        assert inside[1] - inside[0] < coverage  # without its greatest count it would cover too little
