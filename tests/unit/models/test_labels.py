"""Labels: only outcomes that are known and old enough."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from models.labels import labelled
from streams.errors import RequestError

CRASHES = pl.DataFrame(
    {
        "crash_record_id": ["old", "unknown", "young", "undated"],
        "crash_date": [datetime(2024, 1, 1), datetime(2024, 1, 1), datetime(2024, 1, 31, 12), None],
        "injury": [True, None, False, True],
        "injury_severe": [False, None, False, True],
    },
    schema_overrides={"crash_date": pl.Datetime("us")},
)


def test_only_known_and_mature_outcomes_are_labels() -> None:
    labels = labelled(CRASHES, "injury", datetime(2024, 2, 1), timedelta(days=1))
    assert labels.rows() == [("old", datetime(2024, 1, 1), True)]
    assert labelled(CRASHES, "injury_severe", datetime(2024, 2, 1), timedelta(hours=12)).height == 2


def test_a_moment_in_utc_is_compared_by_chicagos_clock() -> None:
    noon = datetime(2024, 1, 31, 18, tzinfo=UTC)  # 12:00 in Chicago
    assert labelled(CRASHES, "injury", noon, timedelta(0)).height == 2
    assert labelled(CRASHES, "injury", noon - timedelta(minutes=1), timedelta(0)).height == 1


def test_a_wrong_target_or_maturity_is_refused_by_its_field() -> None:
    with pytest.raises(RequestError, match="choose one of injury, injury_severe") as refused:
        labelled(CRASHES, "crash_type", datetime(2024, 2, 1))  # type: ignore[arg-type]
    assert refused.value.field == "target"
    with pytest.raises(RequestError) as refused:
        labelled(CRASHES, "injury", datetime(2024, 2, 1), -timedelta(days=1))
    assert refused.value.field == "maturity"
