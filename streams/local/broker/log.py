"""A partition on disk: a chain of segments, of which the last takes the appends.

Every method blocks and belongs in a thread. One thread at a time appends; any number may read meanwhile; one
more may clean. A write is complete when the operating system has it: that survives the death of the process,
not of the machine (there is no fsync).
"""

import mmap
import os
import shutil
import threading
from bisect import bisect_right
from pathlib import Path

import structlog
from aiokafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError

from streams.local.broker.batch import Header, accept, intact_batches, placed_at, records_of
from streams.local.broker.configs import TopicConfig
from streams.local.broker.producers import Producers
from streams.local.broker.segment import Index, Segment, open_segments

log = structlog.get_logger()


class Log:
    """Batches by offset: ``start`` is the first offset that may be read, ``end`` the next to be written."""

    def __init__(self, directory: Path, config: TopicConfig, start: int = 0) -> None:
        """Open the log in ``directory``, or begin one; a batch torn by a crash is cut off."""
        self.directory = directory
        self.config = config
        self._producers = Producers()
        self._changing = threading.Lock()  # the chain, by a roll or by cleaning
        directory.mkdir(parents=True, exist_ok=True)
        segments = open_segments(directory) or [Segment.create(directory, 0)]
        if segments[-1].end is not None:
            segments.append(Segment.create(directory, segments[-1].end))
        self._producers.load(directory / "producers.json")
        segments[-1] = self._recover(segments[-1])
        self.segments = tuple(segments)
        self.end = self.active.index.end
        self.start = max(start, segments[0].base)
        self.cleaned_to = 0  # compaction has been here; starts over with the process

    @property
    def active(self) -> Segment:
        """The segment that takes the appends."""
        return self.segments[-1]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self.segments)

    def append(self, data: bytes) -> int:
        """Store one batch and return its base offset; a batch stored already is not stored again.

        Raises a ``BrokerResponseError`` that says why it was refused, or OSError.
        """
        if len(data) > self.config.max_message_bytes:
            raise MessageSizeTooLargeError(
                f"{len(data)} bytes are more than max.message.bytes, {self.config.max_message_bytes}"
            )
        header = accept(data)
        duplicate = self._producers.duplicate_of(header)
        if duplicate is not None:
            return duplicate
        header = header._replace(base_offset=self.end)
        if self._is_full(header):
            self.roll()
        self.active.append(placed_at(data, self.end), header)
        self._producers.note(header)
        self.end = header.end_offset
        return header.base_offset

    def roll(self) -> None:
        """Close the active segment and begin the next."""
        # Snapshot first: a crash in between replays the old segment over it, which changes nothing.
        self._producers.save(self.directory / "producers.json")
        with self._changing:
            self.segments = (*self.segments, Segment.create(self.directory, self.end))

    def read(self, offset: int, limit: int, *, at_least_one: bool) -> bytes:
        """Return batches from ``offset`` on, about ``limit`` bytes (see ``Segment.read``).

        Raises OffsetOutOfRangeError outside of ``start`` to ``end``.
        """
        if not self.start <= offset <= self.end:
            raise OffsetOutOfRangeError(f"offset {offset} is not within {self.start} to {self.end}")
        segments = self.segments
        nearest = bisect_right(segments, offset, key=lambda segment: segment.base) - 1
        for segment in segments[max(nearest, 0) :]:
            data = segment.read(offset, limit, at_least_one=at_least_one)
            if data is not None:
                return data
        return b""

    def offset_at_time(self, timestamp: int) -> tuple[int, int] | None:
        """Return ``(offset, timestamp)`` of the first record not older than ``timestamp`` (ms), or None."""
        for segment in self.segments:
            if segment.index.latest < timestamp:
                continue
            data = segment.batch_at_time(timestamp, self.start)
            for record in records_of(data) if data else ():
                if record.timestamp >= timestamp and record.offset >= self.start:
                    return record.offset, record.timestamp
        return None

    def replace(self, old: list[Segment], new: list[Segment]) -> None:
        """Put ``new`` segments in the place of ``old`` neighbours, whose files go unless they are reused."""
        with self._changing:
            at = self.segments.index(old[0])
            self.segments = (*self.segments[:at], *new, *self.segments[at + len(old) :])
            self.start = max(self.start, self.segments[0].base)
        kept = {segment.path for segment in new}
        for segment in old:
            if segment.path not in kept:
                segment.path.unlink()

    def _is_full(self, header: Header) -> bool:
        index = self.active.index
        too_large = index.size + header.size > self.config.segment_bytes
        too_long = header.max_timestamp - index.earliest > self.config.segment_ms
        return index.size > 0 and (too_large or too_long)

    def _recover(self, segment: Segment) -> Segment:
        """Check a segment batch by batch and cut out what is not whole; learn its producers on the way.

        A torn tail is what a crash in mid-write leaves, and is no loss: nobody was told of it. Damage with
        whole batches after it is a loss; they stay, and the file as it was is kept beside the log.
        """
        size = os.fstat(segment.fd).st_size
        if not size:
            return segment
        index = Index(segment.base)
        with mmap.mmap(segment.fd, size, access=mmap.ACCESS_READ) as content:
            whole = []
            for position, header in intact_batches(content, segment.base):
                whole.append((position, header.size))
                index.note(header)
                self._producers.note(header)
            if index.size == size:
                pass
            elif not whole or sum(whole[-1]) == index.size:
                log.warning("torn tail cut off", file=str(segment.path), bytes=size - index.size)
                os.ftruncate(segment.fd, index.size)
            else:
                damaged = segment.path.with_suffix(".damaged")
                log.error("damage cut out", file=str(damaged), bytes=size - index.size)
                shutil.copyfile(segment.path, damaged)
                unfinished = segment.path.with_suffix(".tmp")
                with unfinished.open("wb") as repaired:
                    for position, length in whole:
                        repaired.write(content[position : position + length])
                unfinished.replace(segment.path)
                segment = Segment(segment.path)
        segment.index = index
        return segment
