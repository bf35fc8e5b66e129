"""Windows cover their span without gap or overlap."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.windows import months

DAYS = st.dates(date(2013, 1, 1), date(2030, 12, 31))


@given(DAYS, st.integers(1, 1500))
def test_each_day_is_in_exactly_one_window_of_its_month(start: date, length: int) -> None:
    end = start + timedelta(days=length)
    windows = months(start, end)
    covered = [first + timedelta(days=n) for first, last in windows for n in range((last - first).days)]
    assert covered == [start + timedelta(days=n) for n in range(length)]
    for first, last in windows:
        final = last - timedelta(days=1)
        assert (first.year, first.month) == (final.year, final.month)
