"""The living city: people come later, the tables keep telling one story, and a restart changes nothing."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from streams.local.portal import living
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


def content(tables: Tables) -> dict[str, list[tuple]]:
    order = {"crashes": "crash_record_id", "vehicles": "crash_unit_id", "people": "person_id"}
    return {
        name: tables.cursor().execute(f'SELECT * EXCLUDE (":id", ":version") FROM {name} ORDER BY {key}').fetchall()
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
    for _ in range(48):
        life.step(HOUR)
    assert life.clock == START + 49 * HOUR
    assert count(tables, "people WHERE crash_record_id NOT IN (FROM crashes SELECT crash_record_id)") + 1 > 0
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
    assert count(tables, f"{hurt} WHERE first <> crash_date OR last <> crash_date") == 0
    assert count(tables, "people ANTI JOIN crashes USING (crash_record_id)") == 0
    assert count(tables, "vehicles ANTI JOIN crashes USING (crash_record_id)") == 0
    updated = tables.cursor().execute('SELECT ":updated_at", ":created_at" FROM crashes').fetchall()
    assert all(updated_at >= created_at for updated_at, created_at in updated)
    assert Counter(updated_at > created_at for updated_at, created_at in updated)[True] > born / 2


def test_the_same_seed_lives_the_same_life_through_a_restart(tmp_path: Path) -> None:
    def lived(path: Path, interrupted: bool) -> dict[str, list[tuple]]:
        tables = Tables(path)
        set_clock(tables, START)
        life = Life(tables, happening, seed=3)
        for hour in range(10):
            if interrupted and hour == 6:
                tables.close()
                tables = Tables(path)
                life = Life(tables, happening, seed=3)
            life.step(HOUR)
        found = content(tables)
        tables.close()
        return found

    assert lived(tmp_path / "one.duckdb", interrupted=False) == lived(tmp_path / "two.duckdb", interrupted=True)


@pytest.mark.parametrize("killed_in", ["upsert", "note"])
def test_a_step_that_was_killed_is_done_again(tmp_path: Path, killed_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = Tables(tmp_path / "killed.duckdb")
    set_clock(tables, START)
    life = Life(tables, happening, seed=3)
    for _ in range(6):
        life.step(2 * HOUR)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tables, killed_in, killed)
        with pytest.raises(KeyboardInterrupt):
            life.step(HOUR)
    tables.close()
    tables = Tables(tmp_path / "killed.duckdb")
    again = Life(tables, happening, seed=3)
    assert again.clock == START + 12 * HOUR
    for _ in range(6):
        again.step(2 * HOUR)
    assert count(tables, "crashes WHERE injuries_total IS NOT NULL") > 100
    for name, key in (("crashes", "crash_record_id"), ("vehicles", "crash_unit_id"), ("people", "person_id")):
        assert count(tables, f"(SELECT {key} FROM {name} GROUP BY {key} HAVING count(*) > 1)") == 0
    tables.close()
