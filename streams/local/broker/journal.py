"""A durable dict: what the broker must remember besides the logs.

Each change is one line, its CRC-32 before its JSON, appended to one file. A line that a crash has torn or a
disk has spoilt is left out, the others stand. When most lines have been overtaken, the file is rewritten.
"""

import asyncio
import json
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

Key = tuple[str | int, ...]

_WORTH_REWRITING = 10_000  # lines


class Journal:
    """Values, as JSON knows them, by a key of strings and integers, of which the first names the kind."""

    def __init__(self, path: Path, executor: Executor) -> None:
        """Read the journal at ``path`` or begin one. Later writes run in ``executor``, one at a time."""
        self._path = path
        self._executor = executor
        self._writing = asyncio.Lock()
        self._entries: dict[Key, Any] = {}
        self._lines = 0
        # Unbuffered, because a line is acknowledged as soon as it is written.
        self._file = path.open("ab", buffering=0)
        self._load()

    def get(self, *key: str | int) -> Any:
        """Return the value at ``key``, or None."""
        return self._entries.get(key)

    def of(self, *prefix: str | int) -> dict[Key, Any]:
        """Return every entry whose key begins with ``prefix``, by the rest of the key."""
        n = len(prefix)
        return {key[n:]: value for key, value in self._entries.items() if key[:n] == prefix}

    async def put(self, changes: Mapping[Key, Any]) -> None:
        """Set these entries, None removing one; they are on file when this returns. Raises OSError."""
        if not changes:
            return
        loop = asyncio.get_running_loop()
        async with self._writing:
            await loop.run_in_executor(self._executor, self._append, changes)
            self._apply(changes)
            if self._lines > 2 * len(self._entries) + _WORTH_REWRITING:
                await loop.run_in_executor(self._executor, self._rewrite)

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        self._file.close()

    def _apply(self, changes: Mapping[Key, Any]) -> None:
        for key, value in changes.items():
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value

    def _append(self, changes: Mapping[Key, Any]) -> None:
        size = os.fstat(self._file.fileno()).st_size
        lines = b"".join(_line(key, value) for key, value in changes.items())
        try:
            if self._file.write(lines) != len(lines):
                raise OSError("the journal was written in part only")
        except OSError:
            os.ftruncate(self._file.fileno(), size)
            raise
        self._lines += len(changes)

    def _rewrite(self) -> None:
        unfinished = self._path.with_suffix(".tmp")
        unfinished.write_bytes(b"".join(_line(key, value) for key, value in self._entries.items()))
        unfinished.replace(self._path)
        self._file.close()
        self._file = self._path.open("ab", buffering=0)
        self._lines = len(self._entries)

    def _load(self) -> None:
        whole = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    log.warning("torn journal line cut off", bytes=len(line))
                    break
                whole += len(line)
                self._lines += 1
                crc, _, body = line[:-1].partition(b" ")
                if crc != _crc(body):
                    log.error("damaged journal line left out", line=self._lines)
                    continue
                key, value = json.loads(body)
                self._apply({tuple(key): value})
        os.truncate(self._path, whole)


def _crc(body: bytes) -> bytes:
    return b"%08x" % zlib.crc32(body)


def _line(key: Key, value: Any) -> bytes:
    body = json.dumps([key, value], separators=(",", ":")).encode()
    return _crc(body) + b" " + body + b"\n"
