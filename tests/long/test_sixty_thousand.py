"""As tests/e2e/test_simulated_city.py, four times as large."""

from pathlib import Path

import pytest

from tests.e2e.killed import every_part_killed_on_the_way


@pytest.mark.timeout(1200)
def test_sixty_thousand_crashes_with_every_part_killed_on_the_way(tmp_path: Path) -> None:
    every_part_killed_on_the_way(tmp_path, crashes=60_000, page_rows=10_000)
