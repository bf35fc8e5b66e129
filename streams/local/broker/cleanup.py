"""Retention and compaction of one log, so that it stays bounded over weeks.

Both touch closed segments only, so a partition always keeps up to ``segment.bytes`` as it came, and run in a
thread of their own beside readers and the writer. Compaction keeps the last record of every key at its
offset; its memory grows with the distinct keys written since it last ran. Records without a key, which
Kafka would not have accepted, are kept.
"""

import threading
from collections.abc import Callable, Iterator
from hashlib import blake2b

import structlog
from aiokafka.record.default_records import DefaultRecord

from streams.local.broker.batch import header_of, records_of, retain
from streams.local.broker.log import Log
from streams.local.broker.segment import Segment, compacted_name

log = structlog.get_logger()

Wanted = Callable[[DefaultRecord], bool]

_PAUSE_AFTER = 1024 * 1024  # bytes
_PAUSE = 0.02  # seconds: leaves the event loop most of the interpreter's time


class CleanupStopped(Exception):
    """The broker stops; compaction starts over at the next run."""


def clean(partition: Log, now: int, stop: threading.Event) -> None:
    """Apply the topic's ``cleanup.policy`` at the time ``now`` (ms)."""
    policies = partition.config.policies
    _drop_below_start(partition)
    if "delete" in policies:
        _expire(partition, now)
    if "compact" in policies:
        _compact(partition, now, stop)


def _drop_below_start(partition: Log) -> None:
    """Delete the segments of which DeleteRecords has left nothing."""
    gone = []
    for segment, following in zip(partition.segments, partition.segments[1:], strict=False):
        if following.base > partition.start:
            break
        gone.append(segment)
    _delete(partition, gone)


def _expire(partition: Log, now: int) -> None:
    """Delete the oldest segments that are beyond ``retention.ms`` or ``retention.bytes``."""
    retention_ms, retention_bytes = partition.config.retention_ms, partition.config.retention_bytes
    excess = partition.size - retention_bytes if retention_bytes is not None else 0
    gone = []
    for segment in partition.segments[:-1]:
        too_old = retention_ms is not None and 0 <= segment.index.latest < now - retention_ms
        if not too_old and segment.size > excess:
            break
        gone.append(segment)
        excess -= segment.size
    _delete(partition, gone)


def _delete(partition: Log, segments: list[Segment]) -> None:
    if segments:
        partition.replace(segments, [])
        log.info("segments deleted", directory=str(partition.directory), count=len(segments))


def _compact(partition: Log, now: int, stop: threading.Event) -> None:
    """Rewrite the closed segments without what a later record of the same key has replaced."""
    closed = _closed(partition)
    dirty = [segment for segment in closed if segment.base >= partition.cleaned_to]
    before = sum(segment.size for segment in closed)
    if not dirty or sum(segment.size for segment in dirty) < before * partition.config.min_dirty_ratio:
        return
    end = partition.segments[len(closed)].base
    last: dict[bytes, int] = {}
    for segment in dirty:
        for batch in _paced(segment, stop):
            last.update((_digest(it.key), it.offset) for it in records_of(batch) if it.key is not None)
    horizon = now - partition.config.delete_retention_ms

    def wanted(record: DefaultRecord) -> bool:
        if record.key is None:
            return True
        if record.value is None and record.timestamp < horizon:
            return False
        return bool(last.get(_digest(record.key), -1) <= record.offset)

    while closed:
        closed = _rewrite(partition, closed, wanted, stop)
    partition.cleaned_to = end
    after = sum(segment.size for segment in partition.segments if segment.base < end)
    log.info("compacted", directory=str(partition.directory), before=before, after=after, keys=len(last))


def _closed(partition: Log) -> list[Segment]:
    """Return the segments before the last that holds anything.

    The log's last record must stay even if it is a tombstone: a reader that has seen everything before it
    would otherwise wait for ever to reach the end.
    """
    segments = list(partition.segments)
    while segments and not segments[-1].size:
        segments.pop()
    return segments[:-1]


def _rewrite(partition: Log, segments: list[Segment], wanted: Wanted, stop: threading.Event) -> list[Segment]:
    """Replace the first of these segments, as many as fit into one when rewritten; return the others."""
    unfinished = partition.directory / "compaction.tmp"
    replaced = 0
    with unfinished.open("wb") as file:
        while replaced < len(segments) and file.tell() < partition.config.segment_bytes:
            for batch in _paced(segments[replaced], stop):
                if header_of(batch).end_offset > partition.start and (kept := retain(batch, wanted)):
                    file.write(kept)
            replaced += 1
    old, others = segments[:replaced], segments[replaced:]
    end = partition.segments[partition.segments.index(old[-1]) + 1].base
    path = partition.directory / compacted_name(old[0].base, end)
    unfinished.replace(path)
    partition.replace(old, [Segment(path)])
    return others


def _paced(segment: Segment, stop: threading.Event) -> Iterator[bytes]:
    """Iterate the batches with pauses; CleanupStopped when the broker stops."""
    read = 0
    for batch in segment.batches():
        read += len(batch)
        if read > _PAUSE_AFTER:
            read = 0
            if stop.wait(_PAUSE):
                raise CleanupStopped
        yield batch


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=16).digest()
