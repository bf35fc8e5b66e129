"""Gold after a kill, with a damaged or locked file, under pressure of readers."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from streams.errors import CrashStreamError, GoldBusy, GoldError, QueryLimit, SettingError
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from tests.gold_rows import change, crash, many

ROOT = Path(__file__).parents[2]

# Loads version after version of a month, each with one crash more, and says so after each commit.
WRITER = """
import sys
from pathlib import Path
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from tests.gold_rows import many

gold = Gold.open(Path(sys.argv[1]), memory="300MB")
first = gold.applied().get("2024-01", 0) + 1
frame = many(600)
for version in range(first, 300):
    gold.load([Change("2024-01", version, frame.head(300 + version))])
    print(version, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gold.duckdb"


@pytest.fixture
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start_writer(path)
    yield process
    process.kill()
    process.communicate()


def start_writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_after_kill_9_gold_holds_whole_batches_and_goes_on(path: Path) -> None:
    last = 0
    for delay in (0.0, 0.03, 0.08):
        process = start_writer(path)
        for _ in range(2):
            last = said(process)
        threading.Event().wait(delay)  # somewhere in the next transaction
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        last = max([last, *map(int, rest.split())])

        gold = Gold.open(path)
        version = gold.applied()["2024-01"]
        assert version in (last, last + 1)  # a commit may have been made and not yet told
        status = gold.status()
        assert status.rows["crashes"] == 300 + version
        assert status.rows["vehicles"] == 2 * (300 + version)
        (row,) = gold.query("select count(*) as n from crashes where veh_count <> 2").table.to_pylist()
        assert row == {"n": 0}
        gold.close()


def test_a_second_owner_is_told_who_has_the_file(path: Path, writer: subprocess.Popen[str]) -> None:
    said(writer)
    with pytest.raises(GoldBusy, match=str(writer.pid)) as busy:
        Gold.open(path)
    assert busy.value.retriable


@pytest.mark.parametrize("harm", ["header", "middle", "text"])
def test_a_damaged_file_is_told_in_one_line_with_the_remedy(path: Path, harm: str) -> None:
    gold = Gold.open(path)
    gold.load([Change("2024-01", 1, many(2_000))])
    gold.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        match harm:
            case "header":
                file.write(b"\0" * 4_096)
            case "middle":
                file.seek(12_288)
                file.write(b"\xff" * (size - 12_288))
            case _:
                file.write(b"this is no database" * 1_000)
    with pytest.raises(CrashStreamError) as damaged:
        Gold.open(path)
    assert isinstance(damaged.value, GoldError)
    assert "it is built again from Silver" in str(damaged.value)
    assert "\n" not in str(damaged.value)


@pytest.mark.parametrize("cut", [1, 100, 5_000])
def test_a_torn_tail_of_the_log_costs_only_what_was_not_committed(path: Path, cut: int) -> None:
    process = start_writer(path)
    for _ in range(3):
        said(process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    log = path.with_name(path.name + ".wal")
    if not log.exists() or log.stat().st_size <= cut:
        pytest.skip("the log had just been written into the file")
    os.truncate(log, log.stat().st_size - cut)
    gold = Gold.open(path)
    assert gold.status().rows["crashes"] == 300 + gold.applied()["2024-01"]
    gold.close()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError) as refused:
        Gold.open(tmp_path / "file" / "gold.duckdb")
    assert refused.value.field == "CRASH_DATA_DIR"


def test_open_readers_never_lock_the_writer_out(path: Path) -> None:
    """Defect 10: a dashboard's open connection locks the writer out, and after five tries the batch is dropped."""
    gold = Gold.open(path, memory="500MB")
    gold.load([change("2024-01", 1, [crash("a")])])
    reading, stop = threading.Barrier(4), threading.Event()
    outcomes: list[str] = []

    def read() -> None:
        reading.wait()
        while not stop.is_set():
            try:
                gold.query("select count(*) from crashes, range(10000000) a, range(10000000) b", seconds=0.5)
            except QueryLimit as limit:
                outcomes.append(str(limit.field))

    readers = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for reader in readers:
        reader.start()
    reading.wait()
    for version in range(2, 5):
        gold.load([change("2024-01", version, [crash("a", damage=str(version))])])
    stop.set()
    for reader in readers:
        reader.join()
    assert gold.query("select damage from crashes").table.to_pylist() == [{"damage": "4"}]
    assert set(outcomes) == {"seconds"}
    gold.close()


def test_readers_that_take_all_memory_give_way_to_the_writer(path: Path) -> None:
    gold = Gold.open(path, memory="150MB")
    stop = threading.Event()
    failures: set[str] = set()

    def hog() -> None:
        while not stop.is_set():
            try:
                gold.query("select list(hash(range)) from range(30000000)", seconds=5)
            except QueryLimit as limit:
                failures.add(str(limit.field))
            except GoldBusy:
                failures.add("load")

    hogs = [threading.Thread(target=hog, daemon=True) for _ in range(2)]
    for each in hogs:
        each.start()
    frame = many(1_000)
    for version in range(1, 6):
        gold.load([Change("2024-01", version, frame)])
    stop.set()
    for each in hogs:
        each.join()
    assert gold.applied() == {"2024-01": 5}
    assert failures & {"memory", "load"}
    gold.close()


def test_the_log_and_the_file_stay_bounded_while_somebody_always_reads(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.storage.gold.gold._MOST_LOG", 20 * 1024 * 1024)
    gold = Gold.open(path, memory="500MB")
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            gold.query("select hour, count(*) from crashes group by all")

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    frame, sizes = many(4_000), []
    for version in range(1, 12):
        gold.load([Change("2024-01", version, frame)])
        sizes.append(gold.status().file_bytes)
    stop.set()
    for reader in readers:
        reader.join()
    gold.close()
    assert max(sizes) < 40 * 1024 * 1024, [size >> 20 for size in sizes]
    assert not path.with_name(path.name + ".wal").exists()


def test_a_failure_of_the_engine_in_a_load_is_made_good_by_opening_the_file_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gold = Gold.open(path)
    gold.load([change("2024-01", 1, [crash("a", damage="OLD")])])
    failing = iter([duckdb.FatalException("invalidated"), None])

    def await_none(*_: object) -> list[str]:
        if failure := next(failing):
            raise failure
        return []

    monkeypatch.setattr("streams.storage.gold.lineage.runs_awaiting", await_none)
    gold.load([change("2024-01", 2, [crash("a", damage="NEW")])])
    assert gold.query("select damage from crashes").table.to_pylist() == [{"damage": "NEW"}]

    # As long as it fails, the batch is to come again.
    monkeypatch.setattr(
        "streams.storage.gold.lineage.runs_awaiting", lambda *_: (_ for _ in ()).throw(duckdb.IOException("full"))
    )
    with pytest.raises(GoldBusy, match="full"):
        gold.load([change("2024-01", 3, [crash("a", damage="LATE")])])
    monkeypatch.undo()
    assert gold.query("select damage from crashes").table.to_pylist() == [{"damage": "NEW"}]
    gold.load([change("2024-01", 3, [crash("a", damage="LATE")])])
    assert gold.applied() == {"2024-01": 3}
    gold.close()
