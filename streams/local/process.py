"""A part of a run on one machine: what to start, and how to tell that it serves."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Part:
    """A child process of the supervisor.

    ``env`` is added to the environment of the supervisor. ``ready`` is asked again and again until it says yes,
    for ``ready_seconds`` at most; an exception counts as a no.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_seconds: float = 30.0
