"""The SQL behind every figure: one file a figure under `sql/`, read once."""

from importlib.resources import files
from typing import Any, Final

from streams.storage.gold.client import GoldClient

SQL: Final = {
    file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
    for file in files("webapp").joinpath("sql").iterdir()
    if file.name.endswith(".sql")
}


async def rows(gold: GoldClient, name: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of `sql/<name>.sql`. Raises `GoldError`."""
    answer = await gold.query(SQL[name], parameters=parameters or None)
    return list(answer.table.to_pylist())
