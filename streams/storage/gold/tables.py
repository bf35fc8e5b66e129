"""Gold's tables: what each is called, how its rows are named, and the statements that create them."""

from importlib.resources import files
from typing import Final

import duckdb

from streams.domain.clean import FLAGS
from streams.domain.engineer import ENGINEERED
from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES, Table
from streams.errors import GoldError
from streams.storage.gold import facets

SOURCES: Final = (CRASHES, VEHICLES, PEOPLE)

# What can be had again from Silver, and the scores of it.
FROM_SILVER: Final = (*(table.dataset for table in SOURCES), "scores", "applied")

# What a reader may name in SQL, but for facets, which say the same once more.
NAMES: Final = (
    *(table.dataset for table in SOURCES),
    *("scores", "runs", "dead_letters"),
    *("applied", "clock", "run_plans", "run_pages", "run_merges", "run_failures"),
    *("watermarks", "audits", "drifts", "schedules", "training_jobs", "forecasts", "forecast_backtests"),
    *("model_drift", "model_quality"),
)


# What rows of a crash are joined by: sixteen bytes, an eighth of its id.
CRASH_KEY: Final = "crash_key"


def statement(name: str) -> str:
    """The SQL in `sql/<name>.sql`."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def columns(table: Table) -> dict[str, str]:
    """Columns of a source table in Gold, in order, with their types there."""
    source = {column.name: column.kind.value for column in table.columns}
    engineered = ENGINEERED if table is CRASHES else {}
    return source | engineered | {FLAGS: "VARCHAR[]", CRASH_KEY: "UUID"}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing. Raises `GoldError` when a table has other columns than this version's."""
    connection.execute("begin")
    for table in SOURCES:
        # A key is unique because `upsert` deletes before it inserts. An index to say so would triple the time of a
        # load and fill the memory: DuckDB keeps one apart from the columns.
        listed = ", ".join(f'"{name}" {kind}' for name, kind in columns(table).items())
        connection.execute(f"create table if not exists {table.dataset} ({listed})")
        found = [name for name, *_ in connection.execute(f"describe {table.dataset}").fetchall()]
        if found != list(columns(table)):
            connection.execute("rollback")
            raise GoldError(
                f"Gold's table {table.dataset} was made by another version of this service",
                hint="move the file away and start `crash-stream gold`: it is built again from Silver",
            )
    connection.execute(statement("bookkeeping"))
    facets.create(connection)
    connection.execute("commit")
