"""What a query gives. Clients have it without the database."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

# Who asks: the service and its pages, or people in SQL of their own.
Lane = Literal["service", "people"]


@dataclass(frozen=True)
class Answer:
    """Rows of a query; `truncated` when there were more than asked for."""

    table: pa.Table
    truncated: bool
