"""Running the real service as a person would: `crash-stream up` in processes of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from click.testing import CliRunner, Result

from streams.cli import main
from streams.errors import GoldUnavailable
from streams.local.services import Services, services_file
from streams.storage.gold.client import GoldClient

COMMAND = [sys.executable, "-m", "streams.cli"]


def environment(**settings: str) -> dict[str, str]:
    """The environment without the settings of whoever runs the tests, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRASH_")}
    return kept | {f"CRASH_{name.upper()}": value for name, value in settings.items()}


def crash_stream(*arguments: str, cwd: Path, seconds: float = 240, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def command(*arguments: str, cwd: Path, **settings: str) -> Result:
    """Run a command to its end in this process: a second sooner, where a process of its own is not what is asked about.

    What would be a traceback is raised.
    """
    only_these = {name: None for name in os.environ if name.startswith("CRASH_")} | environment(**settings)
    with chdir(cwd):
        return CliRunner().invoke(main, arguments, env=only_these, catch_exceptions=False)


def up_once(data_dir: Path, *arguments: str, **settings: str) -> str:
    """`crash-stream up --once`; returns what it printed, and fails unless it ended well."""
    done = crash_stream("up", "--once", "--data-dir", str(data_dir), *arguments, cwd=data_dir.parent, **settings)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs(data_dir)}"
    return done.stdout


def logs(data_dir: Path) -> str:
    """The end of each part's log, for a failure's message."""
    return "\n".join(
        f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in sorted(data_dir.glob("logs/*.log"))
    )


@dataclass
class SecondWorker:
    """A worker that nobody starts again."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()

    @property
    def output(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace")


class Running:
    """`crash-stream up` in the background, to be entered with ``with``; stopped as by Ctrl-C."""

    def __init__(self, data_dir: Path, *arguments: str, **settings: str) -> None:
        self.data_dir = data_dir
        self._argv = [*COMMAND, "up", "--data-dir", str(data_dir), *arguments]
        self._environment = environment(**settings)
        self._output = data_dir.with_suffix(".out")

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                self._argv, env=self._environment, cwd=self.data_dir.parent, stdout=output, stderr=output
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> float:
        """Ctrl-C; returns how many seconds it took."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
        return time.monotonic() - started

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text()

    @property
    def services(self) -> Services:
        """Where its parts listen."""
        return Services.model_validate_json(services_file(self.data_dir).read_bytes())

    def kill(self, part: str) -> None:
        """kill -9 a part; its supervisor starts it again."""
        os.kill(self._pid(part), signal.SIGKILL)

    @contextmanager
    def halted(self, part: str) -> Iterator[None]:
        """A part stands still meanwhile, neither dead nor answering."""
        pid = self._pid(part)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _pid(self, part: str) -> int:
        pid_file = self.data_dir / "logs" / f"{part}.pid"
        deadline = time.monotonic() + 60
        while not pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)  # it is being started again
        return int(pid_file.read_text().split()[0])

    @contextmanager
    def second_worker(self) -> Iterator["SecondWorker"]:
        """Another worker beside the service's own, started when its parts are up."""
        self.wait_ready()
        log = self.data_dir.with_suffix(".second-worker.log")
        with log.open("wb") as output:
            argv = [*COMMAND, "worker", "--data-dir", str(self.data_dir)]
            process = subprocess.Popen(argv, env=self._environment, stdout=output, stderr=output)
        try:
            yield SecondWorker(process, log)
        finally:
            process.kill()
            process.wait()

    def ask(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Rows of Gold, from its owner; none while it is away."""

        async def answer() -> list[dict[str, Any]]:
            async with GoldClient(f"http://127.0.0.1:{self.services.gold_port}") as gold:
                return (await gold.query(sql, parameters=parameters)).table.to_pylist()

        try:
            return asyncio.run(answer())
        except (GoldUnavailable, FileNotFoundError):
            return []

    def wait_ready(self, seconds: float = 120) -> None:
        """Wait until it has said where it is."""
        deadline = time.monotonic() + seconds
        while "Crash Stream is at" not in self.output:
            assert self.process.poll() is None, f"it ended by itself:\n{self.output}"
            assert time.monotonic() < deadline, f"not ready within {seconds} s\n{self.output}\n{logs(self.data_dir)}"
            time.sleep(0.1)  # it prints to a file of its own

    def wait_until(self, sql: str, seconds: float = 180, **parameters: object) -> None:
        """Wait until a question to Gold is answered with true."""
        pause, deadline = 0.05, time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"it ended by itself:\n{self.output}\n{logs(self.data_dir)}"
            rows = self.ask(sql, **parameters)
            if rows and next(iter(rows[0].values())):
                return
            # Gold has no way to call us. What takes long is not to take longer for being asked about.
            pause = min(1.1 * pause, 0.5)
            time.sleep(pause)
        raise AssertionError(f"not true within {seconds} s: {sql}\n{self.output}\n{logs(self.data_dir)}")
