"""What a query gives. Clients have it without the database."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Answer:
    """Rows of a query; `truncated` when there were more than asked for."""

    table: pa.Table
    truncated: bool
