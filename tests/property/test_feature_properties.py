"""A crash's features depend on its own rows alone: not on the batch it comes in, nor on the order of anything."""

import random
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import KEY, build
from streams.domain.clean import gold_frames
from tests.gold_rows import crash, person, silver, vehicle

OWNERS = st.sampled_from(["a", "b", "c"])
DATES = st.sampled_from(["2024-07-04T18:31:00.000", "2024-11-28T00:00:00.000", "2023-12-31T23:59:00.000", None])


def values(**columns: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(given) for name, given in columns.items()})


CRASH = values(
    latitude=["41.88", "41.7", "0"],
    longitude=["-87.63", "-87.8"],
    beat_of_occurrence=["111", "1834"],
    street_name=["STATE ST", "MICHIGAN AVE", "BROADWAY"],
    first_crash_type=["ANGLE", "PEDESTRIAN"],
    hit_and_run_i=["Y", "N"],
    date_police_notified=["2024-07-04T19:00:00.000", "2023-01-01T00:00:00.000"],
)
VEHICLE = values(
    vehicle_type=["PASSENGER", "TRUCK - SINGLE UNIT", "AUTOCYCLE", "UNKNOWN"],
    vehicle_year=["1999", "2020"],
    occupant_cnt=["0", "2"],
    area_03_i=["Y", "N"],
    towed_i=["Y"],
)
PERSON = values(
    person_type=["DRIVER", "PASSENGER", "PEDESTRIAN"],
    age=["0", "9", "33", "67", "200"],
    sex=["F", "M", "X"],
    safety_equipment=["SAFETY BELT USED", "USAGE UNKNOWN"],
    airbag_deployed=["DEPLOYED, FRONT"],
    bac_result_value=["0.08", "0.2"],
)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(
    st.dictionaries(OWNERS, st.tuples(DATES, CRASH), min_size=1),
    st.lists(st.tuples(OWNERS, VEHICLE), max_size=6),
    st.lists(st.tuples(OWNERS, PERSON), max_size=8),
    st.randoms(use_true_random=False),
)
def test_a_batch_in_any_order_gives_what_each_crash_gives_alone(
    crashes: dict[str, Any], vehicles: list[Any], people: list[Any], rng: random.Random
) -> None:
    frames = gold_frames(
        silver(
            [crash(i, crash_date=day) | given for i, (day, given) in crashes.items()],
            [vehicle(n, i) | given for n, (i, given) in enumerate(vehicles)],
            [person(f"P{n}", i) | given for n, (i, given) in enumerate(people)],
        )
    )
    tables = (frames.crashes, frames.vehicles, frames.people)
    batch = build(*tables)

    alone = [build(*(table.filter(pl.col(KEY) == i) for table in tables)) for i in batch[KEY]]
    assert pl.concat(alone).equals(batch)

    shuffled = (table.sample(fraction=1, shuffle=True, seed=rng.randrange(99)) for table in tables)
    assert build(*shuffled).sort(KEY).equals(batch.sort(KEY))
