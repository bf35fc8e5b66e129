"""Free TCP ports on this machine."""

import asyncio
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from streams.errors import LocalError
from streams.local.lock import take

LOOPBACK = "127.0.0.1"
# Below the range from which common kernels take the local ports of outgoing connections (Linux from 32768), so
# that a port that was free when chosen is still free a moment later.
CHOICE = range(10_240, 22_000)
TRIES = 200

_reserved: dict[int, int] = {}  # ports, and the descriptors that hold their locks


def choose_port(preferred: int, host: str = LOOPBACK, *, taken: set[int] | None = None, twin: int | None = None) -> int:
    """The preferred port if it is free, otherwise another one that is.

    ``taken`` holds ports that were promised already though nothing listens on them yet; the choice is added to
    it. With ``twin`` the port at that distance above must be free too, and is taken along.
    """
    taken = set() if taken is None else taken
    for port in _candidates(preferred):
        both = {port} if twin is None else {port, port + twin}
        if both.isdisjoint(taken) and all(_is_free(one, host) and _reserve(one) for one in both):
            taken |= both
            return port
    raise LocalError(f"no free port on {host}", hint="close some of the programs that listen there")


async def is_open(host: str, port: int, timeout: float = 1.0) -> bool:
    """Whether something accepts connections there."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # includes the time-out
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def wait_for_port(host: str, port: int, timeout: float = 10.0) -> None:
    """Return once something accepts connections there; ``LocalError`` after ``timeout`` seconds."""
    try:
        async with asyncio.timeout(timeout):
            while not await is_open(host, port):  # noqa: ASYNC110  nobody can tell us
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise LocalError(f"nothing listens at {host}:{port} after {timeout:g} s") from None


def _candidates(preferred: int) -> Iterator[int]:
    if preferred:
        yield preferred
    # At random, so that two programs that choose at the same moment hardly ever choose the same.
    yield from random.sample(CHOICE, TRIES)


def _reserve(port: int) -> bool:
    """Keep other programs of ours from choosing the port too, before anything listens there; until this one ends."""
    if port not in _reserved:
        descriptor = take(Path(tempfile.gettempdir()) / f"crash-stream-{os.getuid()}-port-{port}.lock")
        if descriptor is None:
            return False
        _reserved[port] = descriptor
    return True


def _is_free(port: int, host: str) -> bool:
    with socket.socket() as probe:
        # As servers do: the remains of connections that were closed do not occupy a port, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True
