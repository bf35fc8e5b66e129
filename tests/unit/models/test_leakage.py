"""Leaks: what gives the label away alone is found, what is merely strong is not."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from models.features import KEY, build
from models.leakage import refuse_ceiling, refuse_leaks
from streams.domain.clean import clean
from streams.domain.engineer import engineer
from streams.domain.schemas import TABLES
from streams.errors import LeakFound
from streams.local.portal.city import City


@pytest.fixture(scope="module")
def city() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Crashes of a city whose outcome is known, and their features."""
    [chunk] = City(4).history(date(2024, 5, 1), date(2024, 6, 1), 8_000)
    tables = {name: clean(_whole(chunk[name], name), TABLES[name]) for name in TABLES}
    crashes = engineer(tables["crashes"], tables["vehicles"], tables["people"]).drop_nulls("injury")
    return crashes, build(crashes, tables["vehicles"], tables["people"])


def _whole(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.select(TABLES[name].names)


@pytest.mark.parametrize("target", ["injury", "injury_severe"])
def test_no_declared_feature_gives_the_label_away(city: tuple[pl.DataFrame, pl.DataFrame], target: str) -> None:
    crashes, features = city
    refuse_leaks(features, crashes[target])


def test_the_outcome_under_another_name_is_found(city: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    crashes, features = city
    hurt = crashes["injury"]
    leaks = {
        "category": crashes["crash_type"],
        "number": crashes["injuries_no_indication"] - crashes["ppl_count"],
        "flag": ~hurt,
        "null": pl.select(pl.when(hurt).then(None).otherwise(1.0)).to_series(),
        "fine": hurt.cast(pl.Float64) + np.linspace(0, 0.5, len(hurt)),
    }
    for name, values in leaks.items():
        with pytest.raises(LeakFound, match=f"{name} alone has a ROC-AUC") as found:
            refuse_leaks(features.select(KEY, "hour", values.alias(name)), hurt)
        assert found.value.field == name


def test_the_type_of_a_crash_gives_severe_injuries_away_too(city: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    crashes, _ = city
    with pytest.raises(LeakFound, match="crash_type alone"):
        refuse_leaks(crashes.select("hit_and_run_i", "crash_type"), crashes["injury_severe"])


def test_noise_is_no_leak_however_many_values_it_has() -> None:
    rng = np.random.default_rng(1)
    hurt = pl.Series(rng.random(400) < 0.1)
    refuse_leaks(pl.DataFrame({"id": [f"{n}" for n in range(400)], "x": rng.random(400)}), hurt)


def test_a_set_beyond_what_anybody_could_know_is_refused() -> None:
    refuse_ceiling(0.90, "report", "injury")
    refuse_ceiling(0.93, "report", "injury_severe")
    with pytest.raises(LeakFound, match=r"0\.901 for injury at tier at-scene is above 0\.9"):
        refuse_ceiling(0.901, "at-scene", "injury")
