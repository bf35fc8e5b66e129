"""From an empty directory to Gold with one command, over real rows."""

from datetime import date
from pathlib import Path

import duckdb

from tests.e2e.running import up_once
from tests.recompute import differences, expected


def test_every_real_row_is_in_gold_and_none_is_altered(real_portal: Path, tmp_path: Path) -> None:
    """Defects 1, 3, 6, 8, 11: nothing is lost between the portal and Gold, and a second start repeats nothing."""
    data_dir = tmp_path / "data"
    printed = up_once(data_dir, "--portal", "simulated", "--portal-data", str(real_portal), since="all")
    assert "complete" in printed

    with duckdb.connect(data_dir / "gold" / "gold.duckdb", read_only=True) as gold:
        assert differences(expected(real_portal), gold) == []
        assert gold.sql("select count(*) from crashes").fetchone() == (3096,)
        applied = gold.sql("select * from applied order by month").fetchall()
        assert gold.sql("select status, failures from runs").fetchall() == [("complete", 0)]
        assert gold.sql("select count(*) from dead_letters").fetchone() == (0,)

    again = up_once(data_dir, "--portal", "simulated", "--portal-data", str(real_portal))
    assert "complete" in again
    with duckdb.connect(data_dir / "gold" / "gold.duckdb", read_only=True) as gold:
        assert gold.sql("select * from applied order by month").fetchall() == applied
        assert gold.sql('select count(*), min("start") from runs').fetchone() == (1, date(2013, 1, 1))
