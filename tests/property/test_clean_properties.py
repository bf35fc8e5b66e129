"""Cleaning keeps every row, whatever is in it, and agrees with the rules written a second time in SQL."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.clean import GoldFrames, gold_frames
from streams.domain.schemas import PEOPLE, TABLES, VEHICLES, Kind, Table
from tests.gold_rows import crash, person, silver, vehicle
from tests.recompute import differences, expected

JUNK = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "Y", "n", "U", "UNKNOWN", " n/a ", "TRUCK", "MOTORCYCLE", "0", "1", "30", "99", "-1"]),
    st.sampled_from(["30.0", "3e1", "1.5", "nan", "inf", "1e400", "9223372036854775808", "1_000", "+7", ".5", "-0"]),
    st.sampled_from(["2024-01-05T08:30:00.000", "2024-02-30T00:00:00.000", "2024-01-06 23:59:59", "2024-01-05"]),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(41.5, 42.2).map(str),
    st.floats(-88, -87.4).map(str),
    st.text(max_size=6),
)
POINT = st.one_of(
    st.none(),
    st.just({"type": "Point", "coordinates": [-87.6, 41.8]}),
)


def values(table: Table) -> st.SearchStrategy[dict[str, Any]]:
    own = {"crash_record_id", "crash_unit_id", "person_id"}
    columns = [column for column in table.columns if column.name not in own]
    return st.fixed_dictionaries({}, optional={c.name: POINT if c.kind is Kind.POINT else JUNK for c in columns})


OWNERS = st.sampled_from(["a", "b", "c", "NA"])
CRASHES = st.dictionaries(OWNERS, values(TABLES["crashes"]), max_size=3)
VEHICLE_ROWS = st.lists(st.tuples(OWNERS, values(VEHICLES)), max_size=4)
PEOPLE_ROWS = st.lists(st.tuples(OWNERS, values(PEOPLE)), max_size=4)


def rows(crashes: dict, vehicles: list, people: list) -> tuple[list, list, list]:
    return (
        [crash(crash_id) | given for crash_id, given in crashes.items()],
        [vehicle(n, owner) | given for n, (owner, given) in enumerate(vehicles)],
        [person(f"P{n}", owner) | given for n, (owner, given) in enumerate(people)],
    )


def tables(frames: GoldFrames) -> dict[str, Any]:
    return {name: getattr(frames, name) for name in TABLES}


@settings(max_examples=max(8, settings().max_examples // 5))  # the SQL is prepared anew each time
@given(CRASHES, VEHICLE_ROWS, PEOPLE_ROWS, st.randoms(use_true_random=False))
def test_cleaning(crashes: dict, vehicles: list, people: list, rng: random.Random) -> None:
    published = rows(crashes, vehicles, people)
    frames = tables(gold_frames(silver(*published)))

    # No row is dropped, and none is made.
    assert [frame.height for frame in frames.values()] == [len(table) for table in published]
    for frame in frames.values():
        assert all(flags == sorted(set(flags)) for flags in frame["quality_flags"].to_list())

    # The order of rows is no input.
    for table in published:
        rng.shuffle(table)
    again = tables(gold_frames(silver(*published).sample(fraction=1, shuffle=True, seed=rng.randrange(99))))
    assert all(again[name].equals(frame) for name, frame in frames.items())

    wanted = expected(dict(zip(TABLES, published, strict=True)))
    try:
        assert differences(wanted, {name: frame.to_arrow() for name, frame in frames.items()}) == []
    finally:
        wanted.close()
