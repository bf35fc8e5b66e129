from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.storage.gold.gold import Gold


@pytest.fixture
def gold(tmp_path: Path) -> Iterator[Gold]:
    gold = Gold.open(tmp_path / "gold.duckdb", memory="500MB")
    yield gold
    gold.close()
