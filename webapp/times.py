"""Times in answers, in ISO 8601: those of names in `_at` in UTC, all others in Chicago's time, as tables have them.

They carry no offset where the table has none, and so are not what JSON Schema calls a `date-time`.
"""

from datetime import datetime
from typing import Annotated

from pydantic import WithJsonSchema

Time = Annotated[datetime, WithJsonSchema({"type": "string", "examples": ["2026-11-23T07:59:26.128"]})]
