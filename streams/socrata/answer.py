"""What the portal answered: the rows of a 200 with what is said of them, the reason of a refusal."""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from streams.errors import MalformedPage

# What is worth keeping of an answer's headers: what it says of the data's age and its shape.
KEPT_HEADERS = (
    "Content-Type",
    "ETag",
    "Last-Modified",
    "X-SODA2-Data-Out-Of-Date",
    "X-SODA2-Truth-Last-Modified",
)


@dataclass(frozen=True)
class Answer:
    """A 200 of the portal: `rows`. `raw` is its body as received, compressed if `encoding` says so, and `body` is not.

    `at` is the portal's own clock when it answered; `fields` its types by column, empty where it does not say.
    """

    request: str
    raw: bytes
    body: bytes
    rows: Sequence[dict[str, Any]]
    encoding: str | None
    headers: Mapping[str, str]
    at: datetime | None
    etag: str | None
    fields: Mapping[str, str]

    @property
    def out_of_date(self) -> bool:
        """Whether a lagging replica answered: its rows are true, but not the newest."""
        return self.headers.get("X-SODA2-Data-Out-Of-Date", "").lower() == "true"


def unpack(raw: bytes, encoding: str, *, one: bool = False) -> tuple[bytes, list[dict[str, Any]]]:
    """A body decompressed, and its rows; raises `MalformedPage` when it is no JSON array of objects.

    With `one` it is to be an object, which is the only row.
    """
    try:
        body = gzip.decompress(raw) if encoding == "gzip" else raw
        value = json.loads(body)
    except EOFError:
        raise MalformedPage("the portal's answer was cut short") from None
    except (OSError, zlib.error) as error:
        raise MalformedPage(f"the portal's answer is damaged: {error}") from None
    except (ValueError, RecursionError):
        raise MalformedPage(
            f"the portal's answer is no JSON; it begins {body[:100]!r} and ends {body[-20:]!r}"
        ) from None
    rows = [value] if one else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        wanted = "object" if one else "array of rows"
        raise MalformedPage(f"the portal's answer is no {wanted}; it begins {body[:100]!r}")
    return body, rows


def reason(raw: bytes) -> str:
    """The reason in either of the portal's two error envelopes."""
    try:
        body = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        envelope: Any = json.loads(body)
        return f"{envelope.get('errorCode') or envelope.get('code') or ''} {envelope.get('message', '')}".strip()
    except (OSError, EOFError, zlib.error, ValueError, AttributeError, RecursionError):
        return raw[:200].decode("utf-8", "replace")


def fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Types by column; the portal leaves these headers out where they would be too long."""
    try:
        names, types = json.loads(headers["X-SODA2-Fields"]), json.loads(headers["X-SODA2-Types"])
        return dict(zip(names, types, strict=True))
    except (KeyError, ValueError, TypeError):
        return {}


def retry_after(headers: Mapping[str, str]) -> float:
    """`Retry-After` in seconds, from either of its forms; 0 where it says nothing."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    until = moment(text)
    # A date is by the portal's clock, which need not be ours.
    now = moment(headers.get("Date")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds()) if until else 0.0


def moment(text: str | None) -> datetime | None:
    """A date of HTTP, in UTC; None where there is none."""
    try:
        parsed = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return parsed and (parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC))
