"""What an audit makes of keys that the portal has and we have not, and the other way round."""

from datetime import date

import polars as pl
import pytest

from streams.domain.audit import Window, compare, judge, month_of, rows_in
from streams.domain.merge import empty_month, merge
from streams.domain.schemas import CRASHES, GONE, published
from streams.records import UNDATED

MARCH = Window("2024-03", date(2024, 3, 1), date(2024, 4, 1))


def rows(**dates: str | None) -> pl.DataFrame:
    """Rows of crashes by key, with their crash dates."""
    stamp = {":id": "row-a", ":updated_at": "2024-05-01T00:00:00.000Z", ":version": "rv-1"}
    return pl.DataFrame(
        [{"crash_record_id": key, "crash_date": day, **stamp} for key, day in dates.items()], published(CRASHES)
    )


def test_every_month_has_a_window_and_rows_without_a_date_have_one_too() -> None:
    windows = Window.of(date(2024, 1, 20), date(2024, 3, 5))
    assert windows == [
        Window("2024-01", date(2024, 1, 20), date(2024, 2, 1)),
        Window("2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        Window("2024-03", date(2024, 3, 1), date(2024, 3, 5)),
        Window(UNDATED),
    ]


def test_only_live_rows_with_dates_in_the_window_are_compared() -> None:
    page = rows(first="2024-03-01T00:00:00", last="2024-03-09T23:59:59.999", after="2024-03-10T00:00:00", gone="")
    tombstone = pl.lit(value=True)
    page = page.with_columns(
        pl.when(crash_record_id="gone").then(tombstone).alias(GONE),
        pl.col("crash_date").replace("", "2024-03-05T00:00:00"),
    )
    silver = merge(empty_month(), page, CRASHES).silver
    assert silver is not None
    window = Window("2024-03", date(2024, 3, 1), date(2024, 3, 10))
    assert rows_in(silver, CRASHES, window)["crash_record_id"].to_list() == ["first", "last"]


def test_keys_are_compared_both_ways() -> None:
    missing, surplus = compare(rows(a=None, b=None), {"b", "c"}, CRASHES)
    assert missing == {"c"}
    assert surplus["crash_record_id"].to_list() == ["a"]


@pytest.mark.parametrize(
    ("held", "gone", "moved", "tombstoned"),
    [
        ({}, 1, 0, True),
        ({"a": "2024-05-02T10:00:00.000"}, 0, 1, True),
        ({"a": None}, 0, 1, True),
        # It came into the window after all.
        ({"a": "2024-03-31T23:59:59.000"}, 0, 0, False),
    ],
)
def test_a_surplus_row_is_gone_or_moved_or_a_false_alarm(
    held: dict[str, str | None], gone: int, moved: int, tombstoned: bool
) -> None:
    ours = rows(a="2024-03-02T08:00:00.000")
    verdict = judge(ours, held, CRASHES, MARCH)
    assert (verdict.gone, verdict.moved) == (gone, moved)
    expected = ours.with_columns(pl.lit(value=True).alias(GONE)).to_dicts() if tombstoned else []
    assert list(verdict.tombstones) == [{k: v for k, v in row.items() if v is not None} for row in expected]


def test_a_row_that_moved_within_its_month_gets_no_tombstone() -> None:
    window = Window("2024-03", date(2024, 3, 1), date(2024, 3, 10))
    verdict = judge(rows(a="2024-03-02T08:00:00"), {"a": "2024-03-20T08:00:00.000"}, CRASHES, window)
    assert (verdict.moved, verdict.moved_to, verdict.tombstones) == (0, {date(2024, 3, 20)}, ())


def test_a_row_without_a_date_that_has_one_by_now_moved() -> None:
    verdict = judge(rows(a=None, b="soon"), {"a": None, "b": "2024-03-20T08:00:00.000"}, CRASHES, Window(UNDATED))
    assert (verdict.gone, verdict.moved, [row["crash_record_id"] for row in verdict.tombstones]) == (0, 1, ["b"])


@pytest.mark.parametrize(
    ("day", "asked"),
    [
        (date(2024, 3, 5), (date(2024, 3, 2), date(2024, 4, 1))),
        (date(2024, 4, 5), (date(2024, 4, 1), date(2024, 4, 10))),
        # Outside of the span, but within the extent.
        (date(2024, 4, 20), (date(2024, 4, 1), date(2024, 5, 1))),
        (date(2024, 2, 20), (date(2024, 2, 10), date(2024, 3, 1))),
        (date(2024, 2, 9), None),
    ],
)
def test_a_moved_row_is_asked_for_where_the_copy_goes(day: date, asked: tuple[date, date] | None) -> None:
    assert month_of(day, date(2024, 3, 2), date(2024, 4, 10), since=date(2024, 2, 10)) == asked
