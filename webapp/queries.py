"""The SQL behind every figure: one file a figure under `sql/` or a folder of it, read once."""

from pathlib import Path
from typing import Any, Final

from streams.storage.gold.client import GoldClient

_FOLDER: Final = Path(__file__).parent / "sql"
SQL: Final = {
    file.relative_to(_FOLDER).with_suffix("").as_posix(): file.read_text(encoding="utf-8")
    for file in _FOLDER.rglob("*.sql")
}


async def rows(gold: GoldClient, name: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of `sql/<name>.sql`. Raises `GoldError`."""
    answer = await gold.query(SQL[name], parameters=parameters or None)
    return list(answer.table.to_pylist())
