"""Fifteen thousand simulated crashes: every part killed on the way, all asked for again, none altered."""

from pathlib import Path

import pytest

from tests.e2e.killed import every_part_killed_on_the_way


@pytest.mark.timeout(540)
def test_a_city_with_every_part_killed_on_the_way(tmp_path: Path) -> None:
    every_part_killed_on_the_way(tmp_path, crashes=15_000, page_rows=2_500)
