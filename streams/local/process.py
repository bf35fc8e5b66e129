"""A part of a run on one machine, and the child process that runs it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from streams.errors import LocalError
from streams.local import tether
from streams.local.lock import take

POLL_SECONDS = 0.1
KILLED_SECONDS = 5.0  # for the kernel to do away with processes killed
TAIL_BYTES = 8192
TAIL_LINES = 8


@dataclass(frozen=True, kw_only=True)
class Part:
    """What to start, and how to tell that it serves.

    ``env`` is added to the environment of the supervisor. ``ready`` is asked again and again until it says yes,
    for ``ready_seconds`` at most; an exception counts as a no. Asked to stop, it is killed after
    ``grace_seconds``, or earlier if others have used up the time of the whole run.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_seconds: float = 30.0
    grace_seconds: float = 10.0


class Child:
    """A part's process with all its descendants: a session of its own, writing to the part's log.

    It dies with this process. Where the platform cannot promise that, or a descendant was left over, the next
    start finds the lock of the part held, and ends whoever holds it.
    """

    def __init__(self, part: Part, process: asyncio.subprocess.Process, log: Path, log_start: int) -> None:
        self._part = part
        self._process = process
        self._log = log
        self._log_start = log_start

    @classmethod
    async def start(cls, part: Part, log: Path) -> Self:
        """Start the part; its output is appended to ``log``, its lock lies beside that."""
        lock = await _lock(log.with_suffix(".pid"), part.name)
        try:
            with log.open("ab") as output:
                start = output.tell()
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), str(lock)),
                    *part.argv,
                    env={**os.environ, **part.env},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=[lock],
                )
        except OSError as error:
            raise LocalError(f"cannot start {part.name}: {error.strerror}") from error
        finally:
            os.close(lock)
        return cls(part, process, log, start)

    @property
    def pid(self) -> int:
        """Id of the process, and of its process group."""
        return self._process.pid

    @property
    def ending(self) -> str | None:
        """How the process has ended, in words, if it has."""
        status = self._process.returncode
        if status is None:
            return None
        return f"killed by signal {-status}" if status < 0 else f"exited with status {status}"

    async def wait(self) -> None:
        """Wait until the process has ended, and end what it leaves behind."""
        await self._process.wait()
        _kill_group(self.pid)

    async def becomes_ready(self) -> bool:
        """True once the part serves; False if it died, or did not serve in time."""
        died = asyncio.ensure_future(self.wait())
        try:
            async with asyncio.timeout(self._part.ready_seconds):
                while not died.done():
                    if await self._is_ready():
                        return True
                    await asyncio.wait({died}, timeout=POLL_SECONDS)
        except TimeoutError:
            pass
        finally:
            died.cancel()
        return False

    async def _is_ready(self) -> bool:
        try:
            return await self._part.ready()
        except Exception:  # whatever it is, it is not ready yet; `ready_seconds` ends that
            return False

    def terminate(self) -> None:
        """Ask the process to end itself, and its descendants."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End the process and its descendants."""
        if self._process.returncode is None:
            _kill_group(self.pid)

    def last_words(self) -> str:
        """The last lines that this child has logged."""
        with self._log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            start = self._log_start if size >= self._log_start else 0  # the log was rotated in between
            log.seek(max(start, size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join([line for line in lines if line.strip()][-TAIL_LINES:])


async def _lock(path: Path, name: str) -> int:
    """The lock of a part, taken from whoever a previous run left over."""
    deadline = asyncio.get_running_loop().time() + KILLED_SECONDS
    while (lock := take(path)) is None:
        # Whoever holds the lock wrote its id into it, so the id cannot belong to anybody else by now.
        holder = path.read_text()  # noqa: ASYNC240  some bytes
        if holder:
            _kill_group(int(holder))
        if asyncio.get_running_loop().time() > deadline:
            raise LocalError(f"{name} of an earlier run does not end", hint=f"end process {holder} yourself")
        await asyncio.sleep(POLL_SECONDS)
    return lock


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left; on macOS, nobody but zombies
        os.killpg(group, signal.SIGKILL)
