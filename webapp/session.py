"""Signing in on the pages: a cookie that says so until it expires, signed with the API token.

Whoever knows the token may sign; nothing is kept here, and a new token signs everybody out. Scripts of the page cannot
read the cookie, and other sites' requests do not carry it.
"""

import hmac
import time
from hashlib import sha256
from typing import Final

COOKIE: Final = "crash_session"
SECONDS: Final = 12 * 3600


def issue(token: str, now: float | None = None) -> str:
    """A session of `SECONDS`, for someone who has shown `token`."""
    until = str(int((time.time() if now is None else now) + SECONDS))
    return f"{until}.{_signature(token, until)}"


def valid(session: str, token: str, now: float | None = None) -> bool:
    """Whether `token` signed this session, and it has not expired."""
    until, _, signature = session.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(token, until).encode()):
        return False
    return int(until) > (time.time() if now is None else now)


def _signature(token: str, until: str) -> str:
    return hmac.new(token.encode(), f"session until {until}".encode(), sha256).hexdigest()
