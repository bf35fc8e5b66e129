"""The command that measures the models, on a city too small to be proud of."""

import polars as pl
import pytest
from click.testing import CliRunner

from models.proof.__main__ import main
from models.proof.document import document
from models.proof.measure import city_rows, prove, real_rows
from streams.errors import RequestError
from streams.local.portal.city.frequencies import FIRST_CRASH


@pytest.fixture(scope="module")
def city():
    return city_rows(1, 5_000)


def test_rows_of_the_city_carry_outcomes_and_their_true_probabilities(city):
    known = city.frame.drop_nulls("injury")
    assert known["true_injury"].is_between(0, 1).all()
    assert known["injury"].mean() == pytest.approx(known["true_injury"].mean(), abs=0.02)


def test_a_model_is_measured_against_the_best_possible(city):
    result = prove(city, "injury", "at-scene", "logistic")
    assert result.best.roc_auc == pytest.approx(result.evaluation.metrics["roc_auc"].value + result.best.below.value)
    assert result.best.roc_auc > 0.75
    assert result.test["crash_date"].min() >= result.trained.model.data_through
    text = document([result], [], [], {"injury": {"roc_auc": 0.955}}, "--crashes 5000")
    assert "| injury, at-scene |" in text
    assert "met |" in text
    assert "| injury | 95.5% |" in text
    assert "Real rows" not in text


def test_rows_as_a_person_exports_them_are_cleaned_as_golds_are(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "CRASH_DATE,POSTED_SPEED_LIMIT,FIRST_CRASH_TYPE,INJURIES_TOTAL,INJURIES_FATAL,INJURIES_INCAPACITATING\n"
        f"6/22/2019 2:02,15,{FIRST_CRASH.names[0]},,,\n6/30/2019 13:15,999,UNKNOWN,1,0,1\n"
    )
    frame = real_rows(path).frame
    assert frame["crash_date"].dt.hour().to_list() == [2, 13]
    assert frame["injury"].to_list() == [None, True]
    assert frame["injury_severe"].to_list() == [None, True]
    assert frame["posted_speed_limit"].to_list() == [15.0, None]
    assert frame.schema["first_crash_type"] == pl.String


def test_rows_that_are_not_there_are_said_to_be_not_there(tmp_path):
    with pytest.raises(RequestError, match="not readable"):
        real_rows(tmp_path / "none.csv")
    found = CliRunner().invoke(main, ["--real", str(tmp_path / "none.csv")])
    assert found.exit_code == 1
    assert "not readable" in found.output
