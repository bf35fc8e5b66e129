"""One run over a data directory at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import LocalError
from streams.local.lock import DataDirLock

HOLDS = """
import pathlib, signal, sys
from streams.local.lock import DataDirLock
with DataDirLock(pathlib.Path(sys.argv[1])) as lock:
    lock.announce("http://127.0.0.1:8000")
    print("holds", flush=True)
    signal.pause()
"""


def test_a_second_run_is_told_of_the_first_until_that_is_killed(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(data_dir)], stdout=subprocess.PIPE) as first:
        assert first.stdout
        assert first.stdout.readline() == b"holds\n"
        words = rf"already running on {data_dir} as pid {first.pid} at http://127\.0\.0\.1:8000, since .*--data-dir"
        with pytest.raises(LocalError, match=words), DataDirLock(data_dir):
            pass
        first.kill()
    with DataDirLock(data_dir):
        pass


def test_one_that_has_ended_is_no_obstacle(tmp_path: Path) -> None:
    for _ in range(2):
        with DataDirLock(tmp_path):
            with pytest.raises(LocalError, match=f"as pid {os.getpid()}, since"), DataDirLock(tmp_path):
                pass
            # The attempt that was refused has not let the lock go.
            with pytest.raises(LocalError), DataDirLock(tmp_path):
                pass


def test_a_directory_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = r"data directory .*file/data: Not a directory.*--data-dir"
    with pytest.raises(LocalError, match=words) as refused, DataDirLock(tmp_path / "file" / "data"):
        pass
    assert refused.value.field == "CRASH_DATA_DIR"
