"""What a schedule asks for when it fires, and the clock that fires it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agents.schedule import schedule
from streams import clock
from streams.errors import BrokerUnavailable
from streams.records import AuditRequest, BackfillRequest, PollRequest, Record, Schedule, ScheduleChange
from streams.topics import AUDIT_REQUESTS, BACKFILL_REQUESTS, POLL_REQUESTS, SCHEDULE_CHANGES, Topic
from tests.pipeline import Killed

CHICAGO = ZoneInfo("America/Chicago")
NOON = datetime(2026, 6, 1, 12, tzinfo=CHICAGO)
# In Chicago it is still the day before.
LATE = datetime(2026, 6, 1, 23, 30, tzinfo=CHICAGO)


class Broker:
    """Keeps what is sent, and dies or fails as it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[Topic, Record]] = []
        self.trouble: BaseException | None = None

    async def emit(self, topic: Topic, record: Record) -> None:
        self.sent.append((topic, record))
        if self.trouble:
            self.trouble, trouble = None, self.trouble
            raise trouble

    def take(self) -> list[tuple[Topic, Record]]:
        self.sent, sent = [], self.sent
        return sent


@pytest.fixture
def broker() -> Broker:
    return Broker()


async def create(states: dict[str, Any], broker: Broker, **given: Any) -> None:
    wanted = Schedule.model_validate({"schedule_id": "s", "cron": "30 23 * * *", **given})
    await schedule(ScheduleChange(schedule_id="s", change="create", schedule=wanted, at=NOON), states, broker.emit)


async def fire(states: dict[str, Any], broker: Broker, due: datetime = LATE) -> None:
    await schedule(ScheduleChange(schedule_id="s", change="fire", due=due.astimezone(UTC)), states, broker.emit)


async def test_a_backfill_copies_the_days_up_to_and_with_today_in_chicago(broker: Broker) -> None:
    states: dict[str, Any] = {}
    await create(states, broker, mode="backfill", days=7, datasets=("crashes",))
    await fire(states, broker)
    request = BackfillRequest(
        request_id="schedule-s-20260601T2330",
        start=date(2026, 5, 25),
        end=date(2026, 6, 2),
        datasets=("crashes",),
        kind="schedule",
    )
    assert broker.take() == [(BACKFILL_REQUESTS, request)]


async def test_streaming_polls_each_dataset_from_its_watermark_or_days_back(broker: Broker) -> None:
    for days, since in ((None, None), (2, LATE - timedelta(days=2))):
        states: dict[str, Any] = {}
        await create(states, broker, mode="streaming", days=days, datasets=("vehicles", "people"))
        await fire(states, broker)
        polls = [
            (POLL_REQUESTS, PollRequest(run_id=f"schedule-s-20260601T2330-{name}", dataset=name, since=since, at=LATE))
            for name in ("vehicles", "people")
        ]
        assert broker.take() == polls


async def test_an_audit_compares_everything_or_the_last_days(broker: Broker) -> None:
    for days, start, end in ((None, None, None), (30, date(2026, 5, 2), date(2026, 6, 2))):
        states: dict[str, Any] = {}
        await create(states, broker, mode="audit", days=days)
        await fire(states, broker)
        request = AuditRequest(run_id="schedule-s-20260601T2330", start=start, end=end)
        assert broker.take() == [(AUDIT_REQUESTS, request)]


async def test_both_one_o_clocks_of_autumn_have_a_run_of_their_own(broker: Broker) -> None:
    states: dict[str, Any] = {}
    await create(states, broker, mode="audit", cron="0 * * * *")
    first = datetime(2026, 11, 1, 6, tzinfo=UTC)
    await fire(states, broker, first)
    await fire(states, broker, first + timedelta(hours=1))
    ids = [request.run_id for _, request in broker.take() if isinstance(request, AuditRequest)]
    assert ids == ["schedule-s-20261101T0100", "schedule-s-20261101T0100-again"]


async def test_a_worker_that_dies_before_it_remembers_asks_for_the_same_again(broker: Broker) -> None:
    states: dict[str, Any] = {}
    await create(states, broker, mode="streaming")
    broker.trouble = Killed()
    with pytest.raises(Killed):
        await fire(states, broker)
    (before,) = broker.take()
    await fire(states, broker)
    again = broker.take()
    assert again[0] == before
    assert len(again) == 3
    await fire(states, broker)
    assert broker.take() == []


async def test_a_schedule_that_is_paused_or_deleted_asks_for_nothing(broker: Broker) -> None:
    states: dict[str, Any] = {}
    await create(states, broker, mode="audit")
    for what in ("pause", "delete"):
        await schedule(ScheduleChange(schedule_id="s", change=what), states, broker.emit)
        await fire(states, broker)
    assert broker.take() == []
    assert states == {}


@asynccontextmanager
async def ticking(
    states: dict[str, Any], broker: Broker, owner: list[bool], now: list[datetime]
) -> AsyncIterator[None]:
    """A clock at work, whose time and ownership are the last of what the lists hold."""
    running = asyncio.create_task(clock.tick(states, lambda: owner[-1], broker.emit, lambda: now[-1]))
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "TICK_SECONDS", 0.001)


FIRED = [(SCHEDULE_CHANGES, ScheduleChange(schedule_id="s", change="fire", due=LATE, at=LATE))]


async def ticks() -> None:
    """Longer than a tick, some times: whatever the machine is at, the clock has had its turns in between."""
    for _ in range(5):
        await asyncio.sleep(0.01)


async def test_two_clocks_fire_a_time_and_it_is_one_run(broker: Broker) -> None:
    states: dict[str, Any] = {}
    await create(states, broker, mode="audit")
    now = [NOON]
    async with ticking(states, broker, [True], now), ticking(states, broker, [True], now):
        await ticks()
        assert broker.take() == []
        now.append(LATE)
        await ticks()
    fired = broker.take()
    assert fired == FIRED * 2
    for _, change in fired:
        assert isinstance(change, ScheduleChange)
        await schedule(change, states, broker.emit)
    assert len(broker.take()) == 1


async def test_only_the_owner_s_clock_counts(broker: Broker) -> None:
    states: dict[str, Any] = {}
    await create(states, broker, mode="audit")
    owner = [False]
    async with ticking(states, broker, owner, [LATE]):
        await ticks()
        assert broker.take() == []
        owner.append(True)
        await ticks()
    assert broker.take() == FIRED


async def test_a_clock_whose_broker_is_away_fires_when_it_is_back(broker: Broker) -> None:
    states: dict[str, Any] = {}
    await create(states, broker, mode="audit")
    broker.trouble = BrokerUnavailable("away")
    async with ticking(states, broker, [True], [LATE]):
        await ticks()
    assert broker.take() == FIRED * 2  # the one that failed, and the one that did not
