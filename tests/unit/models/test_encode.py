"""The matrix: a column a number, a column a level, and what was never seen among the others."""

import numpy as np
import polars as pl
import pytest

from models.encode import Encoding
from models.features import chosen
from streams.errors import ModelDamaged, RequestError

FEATURES = chosen("report", ["hour", "hit_and_run", "damage", "weather_condition", "persons"])
TRAIN = pl.DataFrame(
    {
        "hour": [7.0] * 100,
        "hit_and_run": [True, None] * 50,
        "damage": ["B"] * 50 + ["A"] * 40 + ["RARE"] * 5 + [None] * 5,
        "weather_condition": [None] * 100,
        "persons": [None] * 100,
    },
    schema={
        "hour": pl.Float64,
        "hit_and_run": pl.Boolean,
        "damage": pl.String,
        "weather_condition": pl.String,
        "persons": pl.Float64,
    },
)


def test_the_matrix_says_what_the_rows_say() -> None:
    encoding = Encoding.fit(TRAIN, FEATURES)
    assert encoding.columns == ("hour", "hit_and_run", "damage=A", "damage=B", "damage=<other>", "damage=<not stated>")
    assert encoding.feature_of == ("hour", "hit_and_run", "damage", "damage", "damage", "damage")
    rows = pl.DataFrame(
        {
            "damage": ["A", "B", "RARE", "NEW", None],
            "hit_and_run": [True, False, None, True, True],
            "hour": [1.0, None, 3.0, 4.0, 5.0],
        }
    )
    matrix = encoding.matrix(rows)
    nan = np.nan
    wanted = [
        [1, 1, 1, 0, 0, 0],
        [nan, 0, 0, 1, 0, 0],
        [3, nan, 0, 0, 1, 0],
        [4, 1, 0, 0, 1, 0],
        [5, 1, 0, 0, 0, 1],
    ]
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix, np.array(wanted, dtype=np.float32))
    assert encoding.unknown(rows) == {"damage": ["NEW"]}
    assert encoding.matrix(rows.clear()).shape == (0, 6)


def test_a_round_trip_through_json_is_exact() -> None:
    encoding = Encoding.fit(TRAIN, FEATURES)
    again = Encoding.from_json(encoding.to_json())
    assert again == encoding
    assert again.to_json() == encoding.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"parts": [{"name": "hour"}]}', '{"parts": [1]}'])
def test_what_is_no_encoding_is_damaged(text: str) -> None:
    with pytest.raises(ModelDamaged):
        Encoding.from_json(text)


def test_a_feature_that_the_rows_lack_is_named() -> None:
    with pytest.raises(RequestError) as refused:
        Encoding.fit(TRAIN, FEATURES).matrix(TRAIN.drop("damage"))
    assert refused.value.field == "damage"
