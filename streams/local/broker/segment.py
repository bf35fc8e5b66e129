"""One append-only file of batches.

A closed segment is indexed only when it is first read, by walking its headers; the active one is indexed as
it grows. The index keeps one entry for every 64 KiB of log, so that memory does not grow with the messages.

A segment owns its file descriptor for as long as anybody refers to it: a reader in another thread goes on
reading a file that retention or compaction has already unlinked.
"""

import os
import re
import weakref
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from aiokafka.errors import CorruptRecordException

from streams.local.broker.batch import HEADER_SIZE, Header, header_of

_INDEX_EVERY = 64 * 1024
_NAME = re.compile(r"(\d{20})(?:-(\d{20}))?\.log")


class _Entry(NamedTuple):
    offset: int  # of the batch at ``position``
    position: int
    latest_before: int  # greatest timestamp of the batches before it


class Index:
    """Where batches begin, roughly, and what the whole segment spans."""

    def __init__(self, base: int) -> None:
        self.entries: list[_Entry] = []
        self.size = 0
        self.end = base
        self.earliest = -1  # ms, of the first batch
        self.latest = -1  # ms

    def note(self, header: Header) -> None:
        """Take account of the batch that begins at ``size``."""
        if not self.entries:
            self.earliest = header.max_timestamp
        if not self.entries or self.size - self.entries[-1].position >= _INDEX_EVERY:
            self.entries.append(_Entry(header.base_offset, self.size, self.latest))
        self.latest = max(self.latest, header.max_timestamp)
        self.end = header.end_offset
        self.size += header.size  # last: a reader in another thread trusts ``size``


class Segment:
    """A file of batches; ``base`` is the first offset it may hold, ``end`` the first it may not (None: open)."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise ValueError(f"{path.name} is no segment's name")
        self.path = path
        self.base = int(name[1])
        self.end = int(name[2]) if name[2] else None
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0)
        self.fd = os.open(path, flags, 0o644)
        weakref.finalize(self, os.close, self.fd)
        self._index = Index(self.base) if create else None

    @classmethod
    def create(cls, directory: Path, base: int) -> Self:
        """Begin an empty segment at offset ``base``."""
        return cls(directory / f"{base:020}.log", create=True)

    @property
    def index(self) -> Index:
        """The sparse index, read from the headers if need be."""
        if self._index is None:
            index = Index(self.base)
            for _, header in self.headers():
                index.note(header)
            self._index = index
        return self._index

    @index.setter
    def index(self, index: Index) -> None:
        self._index = index

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._index.size if self._index else os.fstat(self.fd).st_size

    def headers(self, position: int = 0) -> Iterator[tuple[int, Header]]:
        """Walk ``(position, header)`` of the batches from ``position`` on; CorruptRecordException at damage."""
        size = self.size
        while position < size:
            content = os.pread(self.fd, HEADER_SIZE, position)
            header = header_of(content) if len(content) == HEADER_SIZE else None
            if header is None or not header.plausible or position + header.size > size:
                # Going on behind it would be to skip records and not say so.
                raise CorruptRecordException(f"{self.path} is damaged at byte {position}")
            yield position, header
            position += header.size

    def batches(self) -> Iterator[bytes]:
        """Iterate the whole batches, one in memory at a time."""
        for position, header in self.headers():
            yield os.pread(self.fd, header.size, position)

    def append(self, pieces: tuple[bytes, memoryview], header: Header) -> None:
        """Write one batch at the end; OSError leaves the segment as it was. ``header`` carries its offset."""
        written = 0
        try:
            while written < header.size:
                rest = pieces if not written else (b"".join(pieces)[written:],)
                written += os.pwritev(self.fd, rest, self.index.size + written)
        except OSError:
            os.ftruncate(self.fd, self.index.size)
            raise
        self.index.note(header)

    def read(self, offset: int, limit: int, *, at_least_one: bool) -> bytes | None:
        """Return batches from the one that holds ``offset`` (or the next after a hole), about ``limit`` bytes.

        The last batch may be cut off, as the protocol allows; the first is whole. If it alone is larger than
        ``limit`` it comes all the same with ``at_least_one``, else nothing does. None: the segment holds nothing
        there, and the next one is to be asked.
        """
        size = self.index.size
        for position, header in self.headers(self._before(offset)):
            if header.end_offset > offset:
                if header.size > limit and not at_least_one:
                    return b""
                return os.pread(self.fd, min(max(limit, header.size), size - position), position)
        return None

    def batch_at_time(self, timestamp: int, start: int) -> bytes | None:
        """Return the first batch that reaches ``timestamp`` (ms) and ends after offset ``start``, or None."""
        entries = self.index.entries
        nearest = bisect_right(entries, timestamp - 1, key=lambda entry: entry.latest_before) - 1
        for position, header in self.headers(entries[nearest].position if entries else 0):
            if header.max_timestamp >= timestamp and header.end_offset > start:
                return os.pread(self.fd, header.size, position)
        return None

    def _before(self, offset: int) -> int:
        """Position of an indexed batch that is not after ``offset``."""
        entries = self.index.entries
        nearest = bisect_right(entries, offset, key=lambda entry: entry.offset) - 1
        return entries[nearest].position if nearest >= 0 else 0


def compacted_name(base: int, end: int) -> str:
    """Name a file that took the place of every segment from ``base`` up to ``end``.

    The name tells what it replaced, so that a crash before the replaced files are gone is seen at the start.
    """
    return f"{base:020}-{end:020}.log"


def open_segments(directory: Path) -> list[Segment]:
    """Open a partition's segments in order, and remove what a crash in mid-compaction left behind."""
    for leftover in directory.glob("*.tmp"):
        leftover.unlink()
    segments: list[Segment] = []
    covered = 0
    found = [Segment(path) for path in directory.iterdir() if _NAME.fullmatch(path.name)]
    for segment in sorted(found, key=lambda found: (found.base, -(found.end or 0))):
        if segment.base < covered:
            segment.path.unlink()
            continue
        covered = segment.end or segment.base + 1
        segments.append(segment)
    return segments
