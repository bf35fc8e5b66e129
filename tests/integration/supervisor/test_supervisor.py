"""The supervisor over real children."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from streams.errors import LocalError
from streams.local.process import Part
from streams.local.supervisor import EARLY_DEATHS, Event, State, Supervisor

SERVES = "import pathlib, signal; pathlib.Path({ready!r}).touch(); signal.pause()"


class Watched:
    """A supervisor whose events can be awaited."""

    def __init__(self, log_dir: Path, **options: int) -> None:
        self.supervisor = Supervisor(log_dir, self._note, **options)
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, part: str, *states: State) -> None:
        """Wait until a part has gone through these states, and others perhaps."""
        async with asyncio.timeout(20):
            while True:
                wanted = list(states)
                for event in self.events:
                    if wanted and event.part == part and event.state is wanted[0]:
                        wanted.pop(0)
                if not wanted:
                    return
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def watched(tmp_path: Path, **options: int) -> AsyncIterator[Watched]:
    found = Watched(tmp_path / "logs", **options)
    async with found.supervisor:
        yield found


def part(name: str, code: str, ready: Path | None = None, **options: object) -> Part:
    async def is_ready() -> bool:
        return ready is None or ready.exists()

    argv = [sys.executable, "-I", "-S", "-u", "-c", code]
    return Part(name=name, argv=argv, ready=is_ready, **options)  # type: ignore[arg-type]


def serving(tmp_path: Path, name: str = "serves") -> Part:
    ready = tmp_path / f"{name}.ready"
    return part(name, SERVES.format(ready=str(ready)), ready)


async def gone(*pids: int) -> None:
    """Wait until these processes are no more."""
    async with asyncio.timeout(5):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # one that is dead but not yet reaped by whoever adopted it is no more, too
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def contents(path: Path) -> str:
    async with asyncio.timeout(10):
        while not path.exists() or not path.read_text().endswith("\n"):
            await asyncio.sleep(0.02)
    return path.read_text()


async def test_parts_start_in_order_each_when_the_one_before_is_ready(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    slow = f"import pathlib, signal, time; time.sleep(0.5); {SERVES.format(ready=str(first))}"
    checks = f"""
import os, pathlib, signal, sys
assert pathlib.Path({str(first)!r}).exists()
print("to stdout", os.environ["GREETING"], "HOME" in os.environ)
print("to stderr", file=sys.stderr)
pathlib.Path({str(second)!r}).touch()
signal.pause()
"""
    async with watched(tmp_path) as run:
        await run.supervisor.start(
            [part("slow", slow, first), part("after", checks, second, env={"GREETING": "hello"})]
        )
        states = [(status.name, status.state, status.restarts) for status in run.supervisor.status()]
        assert states == [("slow", State.READY, 0), ("after", State.READY, 0)]
        pids = [status.pid for status in run.supervisor.status()]
        assert (tmp_path / "logs" / "after.log").read_text() == "to stdout hello True\nto stderr\n"
    assert not any(pid is None or alive(pid) for pid in pids)
    assert [(event.part, event.state) for event in run.events] == [
        ("slow", State.STARTING),
        ("slow", State.READY),
        ("after", State.STARTING),
        ("after", State.READY),
        ("after", State.STOPPED),
        ("slow", State.STOPPED),
    ]
    assert {status.state for status in run.supervisor.status()} == {State.STOPPED}


async def test_a_part_killed_comes_back(tmp_path: Path) -> None:
    async with watched(tmp_path) as run:
        await run.supervisor.start([serving(tmp_path)])
        for restarts in (1, 2):
            (before,) = run.supervisor.status()
            assert before.pid
            (tmp_path / "serves.ready").unlink()
            run.events.clear()
            os.kill(before.pid, signal.SIGKILL)
            await run.until("serves", State.RESTARTING, State.READY)
            assert run.events[0].detail == "killed by signal 9"
            (after,) = run.supervisor.status()
            assert after.pid != before.pid
            assert after.restarts == restarts
            assert after.since > before.since


@pytest.mark.parametrize(
    ("code", "reason", "ready_seconds"),
    [
        ("print('the port is taken'); raise SystemExit(3)", "exited with status 3", 10),
        ("import signal; print('the port is taken'); signal.pause()", r"not ready within 0\.5 s", 0.5),
    ],
)
async def test_a_part_that_does_not_start_says_why(
    tmp_path: Path, code: str, reason: str, ready_seconds: float
) -> None:
    async with watched(tmp_path) as run:
        never = part("never", code, tmp_path / "never", ready_seconds=ready_seconds)
        with pytest.raises(LocalError, match=rf"(?s)never did not start: {reason}.*the port is taken.*never\.log"):
            await run.supervisor.start([serving(tmp_path), never])
        pids = [event.pid for event in run.events if event.pid]
        assert len(pids) >= 2
    await gone(*pids)


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with watched(tmp_path) as run:
        missing = Part(name="missing", argv=["/no/such/program"], ready=serving(tmp_path).ready)
        with pytest.raises(LocalError, match="cannot run /no/such/program: No such file"):
            await run.supervisor.start([missing])


async def test_a_part_that_will_not_stay_up_ends_the_run(tmp_path: Path) -> None:
    """It starts well, and after its first death does not any more."""
    ready = tmp_path / "ready"
    code = f"""
import pathlib, signal
if pathlib.Path({str(ready)!r}).exists():
    raise SystemExit("the database is corrupt")
pathlib.Path({str(ready)!r}).touch()
signal.pause()
"""
    async with watched(tmp_path) as run:
        await run.supervisor.start([serving(tmp_path), part("frail", code, ready)])
        (_, frail) = run.supervisor.status()
        assert frail.pid
        os.kill(frail.pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            with pytest.raises(LocalError, match=r"(?s)frail does not stay up.*the database is corrupt.*frail\.log"):
                await run.supervisor.wait()
        (other, frail) = run.supervisor.status()
        assert (frail.state, frail.pid, frail.restarts) == (State.FAILED, None, EARLY_DEATHS - 1)
        assert other.state is State.READY


async def test_stop_takes_ten_seconds_at_most_and_everything_along(tmp_path: Path) -> None:
    """Children get their signal in reverse order; one ignores it, and so does a grandchild."""
    order = tmp_path / "order"

    def orderly(name: str) -> Part:
        code = f"""
import pathlib, signal
def end(*_):
    with open({str(order)!r}, "a") as file:
        file.write("{name} ")
    raise SystemExit
signal.signal(signal.SIGTERM, end)
{SERVES.format(ready=str(tmp_path / name))}
"""
        return part(name, code, tmp_path / name)

    family = tmp_path / "family"
    stubborn = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    with open({str(family)!r}, "w") as file:
        print(os.getpid(), os.getppid(), file=file)
signal.pause()
"""
    orphaning = f"""
import os, signal
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open({str(tmp_path / "orphan")!r}, "w") as file:
        print(os.getpid(), file=file)
signal.pause()
"""
    async with watched(tmp_path) as run:
        await run.supervisor.start(
            [orderly("first"), part("stubborn", stubborn, family), part("orphaning", orphaning), orderly("last")]
        )
        pids = [status.pid or 0 for status in run.supervisor.status()]
        pids += map(int, (await contents(family)).split() + (await contents(tmp_path / "orphan")).split())
        assert all(map(alive, pids))
        started = time.monotonic()
        await run.supervisor.stop()
        assert time.monotonic() - started < 10
    assert order.read_text() == "last first "
    await gone(*pids)


async def test_a_part_may_have_less_time_to_stop(tmp_path: Path) -> None:
    deaf = (
        f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVES.format(ready=str(tmp_path / 'deaf'))}"
    )
    async with watched(tmp_path) as run:
        await run.supervisor.start([part("deaf", deaf, tmp_path / "deaf", grace_seconds=0.5), serving(tmp_path)])
        pids = [status.pid or 0 for status in run.supervisor.status()]
        started = time.monotonic()
    assert 0.5 <= time.monotonic() - started < 4
    await gone(*pids)


async def test_a_stop_in_the_midst_of_a_restart_leaves_nothing(tmp_path: Path) -> None:
    async with watched(tmp_path) as run:
        await run.supervisor.start([serving(tmp_path)])
        (tmp_path / "serves.ready").unlink()
        (status,) = run.supervisor.status()
        os.kill(status.pid or 0, signal.SIGKILL)
        await run.until("serves", State.RESTARTING)
    assert run.events[-1].state is State.STOPPED
    assert run.supervisor.status()[0].pid is None


SUPERVISOR = """
import asyncio, pathlib, sys
from streams.local.process import Part
from streams.local.supervisor import Supervisor

async def main():
    ready = pathlib.Path(sys.argv[2])
    async def is_ready():
        return ready.exists()
    argv = [sys.executable, "-c", sys.argv[3]]
    async with Supervisor(pathlib.Path(sys.argv[1])) as supervisor:
        await supervisor.start([Part(name=name, argv=argv, ready=is_ready) for name in ("one", "two")])
        print(*(status.pid for status in supervisor.status()), flush=True)
        await supervisor.wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
async def test_children_do_not_outlive_a_supervisor_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SUPERVISOR, str(tmp_path / "logs"), str(ready), SERVES.format(ready=str(ready))),
        stdout=asyncio.subprocess.PIPE,
    )
    assert supervisor.stdout
    pids = [int(word) for word in (await supervisor.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    supervisor.kill()
    await supervisor.communicate()
    await gone(*pids)


async def test_what_an_earlier_run_left_over_is_ended(tmp_path: Path) -> None:
    """A descendant that outlived its killed supervisor and child still holds the lock of its part."""
    ready, left = tmp_path / "ready", tmp_path / "left"
    code = f"""
import os, signal
if os.fork() == 0:
    with open({str(left)!r}, "w") as file:
        print(os.getpid(), file=file)
{SERVES.format(ready=str(ready))}
"""
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SUPERVISOR, str(tmp_path / "logs"), str(ready), code),
        stdout=asyncio.subprocess.PIPE,
    )
    assert supervisor.stdout
    await supervisor.stdout.readline()
    supervisor.kill()
    await supervisor.communicate()
    left_over = int(await contents(left))
    if sys.platform == "linux":
        assert alive(left_over)

    async with watched(tmp_path) as run:
        await run.supervisor.start([serving(tmp_path, "one"), serving(tmp_path, "two")])
        await gone(left_over)


async def test_logs_are_bounded_while_children_write_on(tmp_path: Path) -> None:
    code = """
import itertools, sys, time
for n in itertools.count():
    print(f"line {n:09}", "x" * 80)
    if n % 100 == 0:
        time.sleep(0.01)
"""
    limit = 200_000
    async with watched(tmp_path, log_bytes=limit) as run:
        await run.supervisor.start([part("chatty", code)])
        (before,) = run.supervisor.status()
        logs = tmp_path / "logs"
        seen = set()
        async with asyncio.timeout(20):
            while len(seen) < 3:  # three rotations
                await asyncio.sleep(0.1)
                if (logs / "chatty.log.1").exists():
                    seen.add((logs / "chatty.log.1").stat().st_mtime_ns)
        (after,) = run.supervisor.status()
        assert after.pid == before.pid
    assert {path.name for path in logs.iterdir()} == {"chatty.log", "chatty.log.1", "chatty.pid"}
    for path in (logs / "chatty.log", logs / "chatty.log.1"):
        lines = path.read_text().splitlines()
        assert b"\0" not in path.read_bytes()  # as a writer that does not append would leave behind a rotation
        numbers = [int(line.split()[1]) for line in lines[1:-1]]
        assert numbers or path.suffix == ".log", "only what was begun just now may be empty yet"
        assert [after - before for before, after in pairwise(numbers)] == [1] * (len(numbers) - 1)
