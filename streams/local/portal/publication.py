"""When a dataset was last written."""

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb


@dataclass(frozen=True)
class Publication:
    """The state of a dataset: ``updated_at`` (UTC) of its last write, and how many writes there were."""

    updated_at: datetime
    revision: int


def publication(cursor: duckdb.DuckDBPyConnection, dataset: str) -> Publication:
    """The state of a dataset as the cursor sees it; the epoch where it never was written."""
    sql = "SELECT updated_at, revision FROM publications WHERE dataset = ?"
    found = cursor.execute(sql, [dataset]).fetchone()
    return Publication(found[0].replace(tzinfo=UTC), found[1]) if found else Publication(_EPOCH, 0)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
