"""The living city: people come later, the tables keep telling one story, and a restart changes nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from streams.local.portal import amendments, living
from streams.local.portal.living import Life, set_clock
from streams.local.portal.tables import Tables

START = datetime(2024, 5, 31, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def happening(moment: datetime, seconds: float) -> dict[str, pl.DataFrame]:
    """A crash every ten minutes, with two cars and their drivers, one of them hurt in every third."""
    crashes, vehicles, people = [], [], []
    first = moment.timestamp() // 600 + 1
    for number in range(int(first), int((moment.timestamp() + seconds) // 600) + 1):
        crash = {"crash_record_id": f"c{number}", "crash_date": _local(number * 600)}
        hurt = number % 3 == 0
        crashes.append(
            crash
            | {
                "report_type": "ON SCENE",
                "date_police_notified": _local(number * 600 + 300),
                "injuries_total": str(int(hurt)),
                "injuries_reported_not_evident": str(int(hurt)),
                "injuries_no_indication": str(2 - hurt),
                "most_severe_injury": "REPORTED, NOT EVIDENT" if hurt else "NO INDICATION OF INJURY",
                "location": {"type": "Point", "coordinates": [-87.6, 41.8]},
            }
        )
        for unit in range(2):
            key = f"{number}{unit}"
            vehicles.append(crash | {"crash_unit_id": key, "vehicle_id": key, "towed_by": None})
            injury = "REPORTED, NOT EVIDENT" if hurt and unit else "NO INDICATION OF INJURY"
            people.append(crash | {"person_id": f"O{key}", "vehicle_id": key, "injury_classification": injury})
    system = pl.lit(moment).alias(":created_at"), pl.lit(moment).alias(":updated_at")
    rows = {"crashes": crashes, "vehicles": vehicles, "people": people}
    return {name: pl.DataFrame(rows[name], infer_schema_length=None).with_columns(system) for name in rows}


def _local(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


@pytest.fixture
def tables() -> Iterator[Tables]:
    tables = Tables()
    set_clock(tables, START)
    yield tables
    tables.close()


def content(tables: Tables, without: str = '":id", ":version"') -> dict[str, list[tuple]]:
    order = {"crashes": "crash_record_id", "vehicles": "crash_unit_id", "people": "person_id"}
    return {
        name: tables.cursor().execute(f"SELECT * EXCLUDE ({without}) FROM {name} ORDER BY {key}").fetchall()
        for name, key in order.items()
    }


def count(tables: Tables, sql: str) -> int:
    found = tables.cursor().execute(f"SELECT count(*) FROM {sql}").fetchone()
    assert found is not None
    return found[0]


def test_a_crash_comes_first_and_its_outcome_with_its_people(tables: Tables) -> None:
    life = Life(tables, happening, seed=1)
    life.step(HOUR)
    assert count(tables, "crashes") == 6
    assert count(tables, "crashes WHERE injuries_total IS NOT NULL") == 0
    assert count(tables, "crashes WHERE most_severe_injury IS NOT NULL") == 0
    assert count(tables, "people") == count(tables, "vehicles") == 0
    for _ in range(16):
        life.step(3 * HOUR)
    assert life.clock == tables.now() == START + 49 * HOUR
    waiting = count(tables, "crashes WHERE injuries_total IS NULL")
    assert 0 < waiting < 40
    # Whoever is published belongs to a crash that is, and a crash is without people as long as its outcome is null.
    assert count(tables, "people SEMI JOIN (FROM crashes WHERE injuries_total IS NULL) USING (crash_record_id)") == 0
    assert count(tables, "people ANTI JOIN crashes USING (crash_record_id)") == 0
    assert count(tables, "vehicles ANTI JOIN crashes USING (crash_record_id)") == 0


def test_amended_and_deleted_reports_stay_consistent(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "AMENDMENTS_PER_CRASH", 0.7)
    monkeypatch.setattr(living, "DELETIONS_PER_CRASH", 0.1)
    life = Life(tables, happening, seed=1)
    for _ in range(12):
        life.step(6 * HOUR)
    born = 72 * 6
    assert born * 0.8 < count(tables, "crashes") < born
    assert count(tables, "crashes WHERE report_type = 'AMENDED'") > 10
    assert count(tables, "crashes WHERE month(crash_date::TIMESTAMP) = 5") > 0
    hurt = """crashes JOIN (
        SELECT crash_record_id, count(*) FILTER (injury_classification <> 'NO INDICATION OF INJURY') AS hurt,
            min(crash_date) AS first, max(crash_date) AS last
        FROM people GROUP BY ALL) USING (crash_record_id)"""
    assert count(tables, f"{hurt} WHERE hurt = 2") > 0
    assert count(tables, f"{hurt} WHERE hurt <> injuries_total::INTEGER") == 0
    assert count(tables, f"{hurt} WHERE hurt > 0 AND most_severe_injury = 'NO INDICATION OF INJURY'") == 0
    # A few are on their way to another month.
    assert len(torn(tables, "people") | torn(tables, "vehicles")) < 5
    assert count(tables, "people ANTI JOIN crashes USING (crash_record_id)") == 0
    assert count(tables, "vehicles ANTI JOIN crashes USING (crash_record_id)") == 0
    updated = tables.cursor().execute('SELECT ":updated_at", ":created_at" FROM crashes').fetchall()
    assert all(updated_at >= created_at for updated_at, created_at in updated)
    assert Counter(updated_at > created_at for updated_at, created_at in updated)[True] > born / 2


def torn(tables: Tables, name: str) -> set[str]:
    """Crashes in another month than one of their rows."""
    sql = f"""SELECT crash_record_id FROM crashes JOIN {name} AS follower USING (crash_record_id)
        WHERE left(crashes.crash_date, 7) <> left(follower.crash_date, 7)"""
    return {key for (key,) in tables.cursor().execute(sql).fetchall()}


def test_crashes_move_to_another_month_and_their_rows_follow_at_once_or_a_moment_later(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living, "AMENDMENTS_PER_CRASH", 0.7)
    monkeypatch.setattr(amendments, "_KINDS", {amendments._month_corrected: 1.0})
    life = Life(tables, happening, seed=1)
    months: dict[str, set[str]] = defaultdict(set)
    moving: set[str] = set()
    life.step(10 * HOUR)
    for _ in range(16):
        life.step(HOUR * 3 / 4)
        moving |= torn(tables, "people")
        for key, date in tables.cursor().execute("SELECT crash_record_id, crash_date FROM crashes").fetchall():
            months[key].add(date[:7])
    moved = {key for key, seen in months.items() if len(seen) > 1}
    assert len(moved) > 10
    assert set() < moving < moved
    monkeypatch.setattr(living, "AMENDMENTS_PER_CRASH", 0.0)
    for _ in range(4):
        life.step(24 * HOUR)
    assert torn(tables, "people") == torn(tables, "vehicles") == set()
    dates = [row["crash_date"] for row in tables.rows("crashes", "crash_record_id", [*moved])]
    assert 0 < sum(date > "2024-05-30" for date in dates) < len(moved)


def test_some_vehicles_and_people_come_days_after_their_report(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "LATE_ROWS", 0.3)
    life = Life(tables, happening, seed=1)
    life.step(24 * HOUR)
    few = "(SELECT 1 FROM {} GROUP BY crash_record_id HAVING count(*) < 2)"
    life.step(12 * HOUR)
    assert count(tables, few.format("vehicles")) > 10
    assert count(tables, few.format("people")) > 5
    born = START + 36 * HOUR
    life._happening = lambda moment, _: happening(moment, 0)
    for _ in range(10):
        life.step(48 * HOUR)
    assert count(tables, few.format("vehicles")) == count(tables, few.format("people")) == 0
    late = f"people WHERE \":created_at\" > '{(born + 48 * HOUR).isoformat()[:19]}'"
    assert count(tables, late) > 5


def test_now_and_then_a_whole_table_is_published_anew(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "REPUBLISHED_EVERY", timedelta(hours=12))
    life = Life(tables, happening, seed=2)
    whole = 0
    for _ in range(12):
        life.step(4 * HOUR)
        whole += count(tables, 'crashes WHERE ":updated_at"[:16] < \'' + life.clock.isoformat()[:16] + "'") == 0
    assert 2 <= whole < 10


def test_a_life_goes_on_without_a_column_that_is_no_longer_published(tables: Tables) -> None:
    tables.drop_column("crashes", "date_police_notified")
    tables.drop_column("vehicles", "towed_by")
    life = Life(tables, happening, seed=1)
    life.step(12 * HOUR)
    life.step(12 * HOUR)
    assert count(tables, "crashes") == 144
    assert count(tables, "vehicles") > 100


def test_the_same_seed_lives_the_same_life_through_a_restart(tmp_path: Path) -> None:
    def lived(path: Path, interrupted: bool) -> dict[str, list[tuple]]:
        tables = Tables(path)
        set_clock(tables, START)
        life = Life(tables, happening, seed=3)
        for number in range(5):
            if interrupted and number == 3:
                tables.close()
                tables = Tables(path)
                life = Life(tables, happening, seed=3)
            life.step(2 * HOUR)
        found = content(tables)
        tables.close()
        return found

    assert lived(tmp_path / "one.duckdb", interrupted=False) == lived(tmp_path / "two.duckdb", interrupted=True)


def test_a_step_that_was_killed_is_done_again_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living, "AMENDMENTS_PER_CRASH", 0.7)
    monkeypatch.setattr(living, "DELETIONS_PER_CRASH", 0.2)

    def lived(killed_in: str) -> dict[str, list[tuple]]:
        path = tmp_path / f"{killed_in}.duckdb"
        tables = Tables(path)
        set_clock(tables, START)
        life = Life(tables, happening, seed=3)
        for _ in range(2):
            life.step(6 * HOUR)
        if killed_in:
            real, calls = getattr(tables, killed_in), []

            def killed(*arguments: object, **named: object) -> None:
                calls.append(arguments)
                if killed_in == "note" or len(calls) == 2:
                    raise KeyboardInterrupt
                real(*arguments, **named)

            with monkeypatch.context() as patched:
                patched.setattr(tables, killed_in, killed)
                with pytest.raises(KeyboardInterrupt):
                    life.step(6 * HOUR)
            tables.close()
            tables = Tables(path)
            life = Life(tables, happening, seed=3)
        assert life.clock == START + 12 * HOUR
        for _ in range(2):
            life.step(6 * HOUR)
        found = content(tables, '":id", ":version", ":created_at", ":updated_at"')
        tables.close()
        return found

    whole = lived("")
    assert lived("upsert") == lived("delete") == lived("note") == whole
