"""The split: by time, and never inside an instant."""

from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.split import split
from streams.errors import DataTooThin, RequestError


def rows(minutes: list[int]) -> pl.DataFrame:
    """A row each, the classes in turn."""
    return pl.DataFrame(
        {
            "crash_record_id": [f"{n:05d}" for n in range(len(minutes))],
            "crash_date": [datetime(2024, 1, 1) + timedelta(minutes=minute) for minute in minutes],
            "label": [n % 2 == 0 for n in range(len(minutes))],
        }
    )


@given(st.lists(st.integers(0, 12), min_size=40, max_size=120))
def test_each_part_is_wholly_before_the_next_and_no_row_is_lost(minutes: list[int]) -> None:
    labelled = rows(minutes)
    try:
        parts = split(labelled)
    except DataTooThin:
        return
    in_order = [parts.train, parts.calibrate, parts.test]
    assert pl.concat(in_order).equals(labelled.sort("crash_date", "crash_record_id"))
    for earlier, later in pairwise(in_order):
        assert earlier["crash_date"].max() < later["crash_date"].min()


def test_the_shares_are_met_where_instants_are_fine_enough() -> None:
    parts = split(rows(list(range(1000))), (0.5, 0.3, 0.2))
    assert (parts.train.height, parts.calibrate.height, parts.test.height) == (500, 300, 200)


def test_one_instant_or_one_class_is_too_thin() -> None:
    with pytest.raises(DataTooThin, match="no rows"):
        split(rows([7] * 100))
    with pytest.raises(DataTooThin, match="one class only"):
        split(rows(list(range(100))).with_columns(label=pl.lit(value=False)))
    with pytest.raises(DataTooThin):
        split(rows([]))


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.6, 0.4)])
def test_shares_that_are_none_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(RequestError) as refused:
        split(rows([1, 2, 3]), shares)  # type: ignore[arg-type]
    assert refused.value.field == "shares"
