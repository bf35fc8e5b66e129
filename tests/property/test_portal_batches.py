"""However many keys are asked for, and whatever is in them: each is asked for once, and no URL is too long."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from streams.domain.schemas import CRASHES, PEOPLE, Table
from streams.local.portal.server import LONGEST_URL
from streams.local.portal.soql import Call, Literal, parse_condition
from streams.socrata import soql

RESOURCE = "https://data.cityofchicago.org/resource/85ca-t3if.json"
HASHES = st.text("0123456789abcdef", min_size=128, max_size=128)
# Whatever a table of another city may hold.
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=60)


def asked(table: Table, wanted: list[str]) -> list[str]:
    keys: list[str] = []
    for params in soql.confirm(table, wanted):
        assert len(str(URL(RESOURCE).with_query(params).relative())) < LONGEST_URL
        condition = parse_condition(params["$where"])
        assert isinstance(condition, Call)
        keys += [str(one.value) for one in condition.arguments if isinstance(one, Literal)]
    return keys


@given(st.lists(HASHES, max_size=150))
def test_each_crash_is_asked_for_once(wanted: list[str]) -> None:
    assert asked(CRASHES, wanted) == sorted(set(wanted))


@given(st.lists(TEXTS, max_size=300))
def test_each_key_is_asked_for_once_whatever_is_in_it(wanted: list[str]) -> None:
    assert asked(PEOPLE, wanted) == sorted(set(wanted))


@pytest.mark.parametrize("count", [40, 400])
def test_about_forty_crashes_make_a_request(count: int) -> None:
    batches = list(soql.confirm(CRASHES, [f"{n:0128x}" for n in range(count)]))
    assert 40 <= count / len(batches) <= 50
    assert all(len(quote(params["$where"])) < LONGEST_URL for params in batches)
