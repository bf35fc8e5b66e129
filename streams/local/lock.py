"""Locks that die with whoever holds them: ``flock`` on a file, so a killed process leaves no stale one behind."""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.errors import LocalError


def take(path: Path) -> int | None:
    """Lock the file, created if need be. The descriptor that holds the lock, or None if another one does.

    The lock lasts until the last copy of the descriptor is closed, in this process or in those it was passed to.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class DataDirLock:
    """One `crash-stream up` at a time over a data directory; to be entered with ``with``.

    ``LocalError`` names who else runs there, or why the directory cannot be written to.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = data_dir / "up.lock"
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._descriptor = take(self._path)
        except OSError as error:
            raise LocalError(
                f"cannot write to the data directory {self._data_dir}: {error.strerror}",
                field="CRASH_DATA_DIR",
                hint="set CRASH_DATA_DIR or --data-dir to a directory on a local disk that you may write to",
            ) from error
        if self._descriptor is None:
            raise LocalError(
                f"already running on {self._data_dir.absolute()} as {self._path.read_text() or 'another process'}",
                field="CRASH_DATA_DIR",
                hint="stop that one first, or give this one another --data-dir",
            )
        self.announce()
        return self

    def announce(self, address: str = "") -> None:
        """Write down who runs here, and where it can be reached, for those who come later."""
        assert self._descriptor is not None, "enter the lock first"  # noqa: S101
        started = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        text = f"pid {os.getpid()}{f' at {address}' if address else ''}, since {started}"
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
