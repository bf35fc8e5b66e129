"""Whatever the expression and the season: times come in order and each once; changes that come again change nothing."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from agents.schedule import schedule
from streams.domain.cron import latest_time, time_after
from streams.domain.schedules import ScheduleState, apply
from streams.records import Record, Schedule, ScheduleChange
from streams.topics import Topic

CHICAGO = ZoneInfo("America/Chicago")
MINUTES = st.sampled_from(["0", "30", "*/20", "7-11", "*", "59"])
HOURS = st.sampled_from(["*", "1", "2", "3", "0-4", "*/2", "1,2,3", "23"])
CRONS = st.builds("{} {} * * {}".format, MINUTES, HOURS, st.sampled_from(["*", "SUN", "MON-FRI"]))
# About the changes of the clocks in 2026, and far from them.
STARTS = st.sampled_from(["2026-03-07T12:00", "2026-10-31T12:00", "2026-06-13T12:00"])
MOMENTS = st.builds(
    lambda start, seconds: datetime.fromisoformat(start).replace(tzinfo=UTC) + timedelta(seconds=seconds),
    STARTS,
    st.floats(0, 3 * 86_400),
)


@given(CRONS, MOMENTS)
def test_now_is_between_the_latest_time_and_the_one_after_it(cron: str, now: datetime) -> None:
    latest, coming = latest_time(cron, now), time_after(cron, now)
    assert latest <= now < coming
    assert time_after(cron, latest) == coming
    assert latest_time(cron, coming) == coming


@given(CRONS.filter(lambda cron: cron.split()[1] != "*"), STARTS)
def test_every_time_of_the_wall_clock_is_met_once(cron: str, start: str) -> None:
    """Against a walk through the days by the wall clock, which knows nothing of zones."""
    begin = datetime.fromisoformat(start)
    end = begin + timedelta(days=3)
    shown = []
    for time in CronSim(cron, begin):
        if time >= end:
            break
        shown.append(time)
    met = []
    time = begin.replace(tzinfo=CHICAGO)
    while (time := time_after(cron, time)) < end.replace(tzinfo=CHICAGO):
        met.append(time)
    assert all(before < after for before, after in pairwise(met))
    clock = [time.astimezone(CHICAGO).replace(tzinfo=None) for time in met]
    gap = datetime(2026, 3, 8, 3)
    moved = {gap if time.date() == gap.date() and time.hour == 2 else time for time in shown}
    assert clock == sorted(moved)


def changes(kinds: list[tuple[str, int]]) -> list[ScheduleChange]:
    """Changes a minute apart; a number tells one definition, and one time, from another."""
    start = datetime(2026, 6, 1, tzinfo=UTC)
    made = []
    for minute, (kind, number) in enumerate(kinds):
        at = start + timedelta(minutes=minute)
        new = Schedule(schedule_id="s", cron=f"{number} * * * *", mode="audit") if kind == "create" else None
        # A fire is of a time that is past.
        due = at - timedelta(minutes=number) if kind == "fire" else None
        made.append(ScheduleChange(schedule_id="s", change=kind, schedule=new, due=due, at=at))
    return made


KINDS = st.tuples(st.sampled_from(["create", "fire", "fire", "pause", "resume", "delete"]), st.integers(0, 3))
HISTORIES = st.lists(KINDS, max_size=12).map(changes)


def fold(state: ScheduleState | None, history: list[ScheduleChange]) -> ScheduleState | None:
    for change in history:
        state = apply(state, change)
    return state


@given(HISTORIES, st.data())
def test_changes_delivered_again_from_any_point_end_in_the_same_state(
    history: list[ScheduleChange], data: st.DataObject
) -> None:
    state = fold(None, history)
    again = data.draw(st.integers(0, len(history)))
    assert fold(state, history[again:]) == state


@given(HISTORIES.map(lambda history: [change for change in history if change.change != "delete"]), st.data())
async def test_a_time_runs_once_however_often_it_fires(history: list[ScheduleChange], data: st.DataObject) -> None:
    once, often = await runs(history), await runs(twice(history, data))
    assert often == once
    assert len(set(once)) == len(once)


def twice(history: list[ScheduleChange], data: st.DataObject) -> list[ScheduleChange]:
    """The worker dies somewhere, and its heir begins some changes earlier."""
    died = data.draw(st.integers(0, len(history)))
    begins = data.draw(st.integers(0, died))
    return [*history[:died], *history[begins:]]


async def runs(history: list[ScheduleChange]) -> list[str]:
    sent: list[str] = []

    async def emit(_: Topic, request: Record) -> None:
        sent.append(request.run_id)  # type: ignore[attr-defined]

    states: dict[str, object] = {}
    for change in history:
        await schedule(change, states, emit)
    return sent
