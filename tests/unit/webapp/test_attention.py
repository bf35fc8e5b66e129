"""What needs attention, and what does not."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.health import Check
from webapp.attention import attention
from webapp.components.text import ago

CALM = {
    "dead_letters": 0,
    "failed_runs": 0,
    "failed_run": None,
    "out_of_date": 0,
    "audit_differences": 0,
    "audit_run": "audit-1",
    "schema_drifts": 0,
    "drifted_features": 0,
    "polled_at": None,
}


def test_nothing_needs_attention_when_all_is_well() -> None:
    assert attention([Check("gold", True, "answers")], CALM) == []


@pytest.mark.parametrize(
    ("news", "said", "href"),
    [
        ({"dead_letters": 1}, "1 dead letter could", "/reports?section=dead-letters"),
        ({"failed_runs": 2, "failed_run": "r-1"}, "2 runs of the last 7 days", "/runs/r-1"),
        ({"audit_differences": 3}, "differences in 3 tables", "/reports?section=audits"),
        ({"schema_drifts": 1}, "1 drift", "/reports?section=quality"),
        ({"drifted_features": 4}, "4 features moved", "/train"),
        ({"out_of_date": 1}, "out of date", None),
    ],
)
def test_each_matter_says_what_and_leads_there(news: dict[str, object], said: str, href: str | None) -> None:
    (matter,) = attention([], CALM | news)
    assert said in matter.what
    assert matter.href == href
    assert matter.remedy


def test_a_part_that_is_ill_comes_first_and_with_its_remedy() -> None:
    ill = Check("broker", False, "does not answer", "start it")
    first, second = attention([ill], CALM | {"dead_letters": 5})
    assert first.what == "Broker is not well: does not answer"
    assert first.remedy == "start it"
    assert second.what.startswith("5 dead letters")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (4.9, "just now"), (40, "40 s ago"), (60, "1 min ago"), (3599, "59 min ago"), (7300, "2 h ago")],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert ago((now - timedelta(seconds=seconds)).replace(tzinfo=None), now) == words


def test_long_ago_is_a_day() -> None:
    assert ago(datetime(2026, 5, 1, 12), datetime(2026, 6, 1, tzinfo=UTC)) == "on May 1"
