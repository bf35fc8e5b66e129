"""Which versions may go: never one that a time since the cutoff, Gold, or the next number rests on."""

from datetime import UTC, datetime, timedelta

from streams.domain.expiry import expired_deltas, expired_versions

CUTOFF = datetime(2025, 6, 30, tzinfo=UTC)


def on(*days: int) -> dict[int, datetime]:
    """Versions 1, 2, … written so many days before the cutoff."""
    return {number: CUTOFF - timedelta(days=day) for number, day in enumerate(days, 1)}


def test_a_version_goes_once_it_had_a_successor_at_the_cutoff() -> None:
    assert expired_versions(on(9, 5, 3, -1, -2), 5, CUTOFF) == [1, 2]


def test_the_newest_and_the_last_content_stay_however_old_they_are() -> None:
    assert expired_versions(on(90, 80, 70, 60), 2, CUTOFF) == [1, 3]
    assert expired_versions(on(90), 1, CUTOFF) == []


def test_a_delta_goes_with_its_age_unless_the_head_names_it() -> None:
    written = {"a": CUTOFF - timedelta(1), "b": CUTOFF - timedelta(1), "c": CUTOFF + timedelta(1)}
    assert expired_deltas(written, "b", CUTOFF) == ["a"]
