"""What components say, without a browser."""

from datetime import date, datetime

import pytest

from webapp.components.runs import shares
from webapp.components.text import NOTHING, clock, day, duration, moment, number, plural, size, span

RUN = {
    "status": "running",
    "rows_planned": 1000,
    "rows_fetched": 0,
    "windows": 4,
    "windows_done": 0,
    "merges_expected": 0,
    "merges_loaded": 0,
    "failures": 0,
}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, (0.0, 0.0)),
        ({"rows_planned": None, "windows": None}, (0.0, 0.0)),
        ({"rows_fetched": 500, "merges_expected": 4, "merges_loaded": 1}, (0.5, 0.125)),
        ({"rows_fetched": 2000}, (0.99, 0.0)),
        ({"rows_fetched": 900, "windows_done": 4, "merges_expected": 4, "merges_loaded": 2}, (1.0, 0.5)),
        ({"rows_fetched": 500, "windows_done": 4, "failures": 1, "merges_expected": 2, "merges_loaded": 2}, (0.5, 0.5)),
        ({"status": "complete", "rows_planned": 0}, (1.0, 1.0)),
    ],
)
def test_shares_of_a_run(state: dict[str, object], expected: tuple[float, float]) -> None:
    assert shares(RUN | state) == expected


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (date(2024, 1, 1), date(2024, 1, 2), "Jan 1, 2024"),
        (date(2024, 1, 1), date(2024, 2, 1), "Jan 1 – Jan 31, 2024"),
        (date(2023, 12, 1), date(2024, 2, 1), "Dec 1, 2023 – Jan 31, 2024"),
        (date(2023, 12, 1), date(2024, 1, 1), "Dec 1 – Dec 31, 2023"),
    ],
)
def test_a_span_is_told_with_its_last_day(start: date, end: date, words: str) -> None:
    assert span(start, end) == words


def test_times_of_ours_are_shown_as_chicagos_clock_has_them() -> None:
    assert moment(datetime(2025, 7, 4, 4, 5)) == "Jul 3, 11:05 PM"  # summer: five hours behind
    assert moment(datetime(2025, 1, 4, 6, 5)) == "Jan 4, 12:05 AM"  # winter: six
    assert moment(None) == NOTHING


def test_words_for_figures() -> None:
    assert [size(value) for value in (None, 0, 999, 1000, 45_400_000, 2_340_000_000, 5 * 10**12)] == [
        NOTHING,
        "0 B",
        "999 B",
        "1.0 kB",
        "45 MB",
        "2.3 GB",
        "5.0 TB",
    ]
    assert [number(None), number(0), number(1234567)] == [NOTHING, "0", "1,234,567"]
    assert [plural(0, "page"), plural(1, "page"), plural(2000, "page")] == ["0 pages", "1 page", "2,000 pages"]
    assert [duration(0.4), duration(61), duration(7260)] == ["0 s", "1 min 1 s", "2 h 1 min"]
    assert day(date(2025, 11, 2)) == "Sun, Nov 2, 2025"
    assert clock(datetime(2025, 11, 2, 0, 5)) == "12:05 AM"
