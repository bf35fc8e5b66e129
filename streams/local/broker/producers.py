"""What each idempotent producer wrote last to a partition, so that a batch sent twice is stored once.

The state is a function of the log: it is rebuilt from the active segment's headers over a snapshot taken when
that segment began.
"""

import json
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog
from aiokafka.errors import InvalidProducerEpoch, OutOfOrderSequenceNumber

from streams.local.broker.batch import Header

log = structlog.get_logger()

_REMEMBERED = 5  # a producer has at most five batches in flight
_FORGET_AFTER = 24 * 3600 * 1000  # ms, as Kafka's producer.id.expiration.ms
_SEQUENCES = 2**31  # sequence numbers wrap around


class _Written(NamedTuple):
    sequence: int
    records: int
    offset: int


@dataclass
class _Producer:
    epoch: int
    seen: int  # ms
    last: deque[_Written] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Producers:
    """The producers of one partition."""

    def __init__(self) -> None:
        self._by_id: dict[int, _Producer] = {}

    def duplicate_of(self, header: Header) -> int | None:
        """Return the offset at which this very batch is stored already, or None if it is the next one.

        Raises OutOfOrderSequenceNumber for a gap, InvalidProducerEpoch for a producer that was replaced.
        """
        producer = self._by_id.get(header.producer_id)
        if header.producer_id < 0 or producer is None:
            return None
        if header.producer_epoch < producer.epoch:
            raise InvalidProducerEpoch(f"epoch {header.producer_epoch} is older than {producer.epoch}")
        if header.producer_epoch > producer.epoch:
            expected = 0
        else:
            for written in producer.last:
                if (written.sequence, written.records) == (header.base_sequence, header.record_count):
                    return written.offset
            newest = producer.last[-1]
            expected = (newest.sequence + newest.records) % _SEQUENCES
        if header.base_sequence != expected:
            raise OutOfOrderSequenceNumber(f"sequence {header.base_sequence} came, {expected} was expected")
        return None

    def note(self, header: Header) -> None:
        """Remember a batch that is stored; ``header`` carries its offset."""
        if header.producer_id < 0:
            return
        producer = self._by_id.get(header.producer_id)
        if producer is None or producer.epoch != header.producer_epoch:
            producer = self._by_id[header.producer_id] = _Producer(header.producer_epoch, 0)
        producer.seen = int(time.time() * 1000)
        producer.last.append(_Written(header.base_sequence, header.record_count, header.base_offset))

    def save(self, path: Path) -> None:
        """Write a snapshot in one step, without those not heard of for a day."""
        oldest = int(time.time() * 1000) - _FORGET_AFTER
        self._by_id = {id_: producer for id_, producer in self._by_id.items() if producer.seen >= oldest}
        state = [[id_, it.epoch, it.seen, list(it.last)] for id_, it in self._by_id.items()]
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(state))
        unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Read a snapshot, if there is one that can be read."""
        try:
            state = json.loads(path.read_text())
        except FileNotFoundError:
            return
        except ValueError:
            log.error("unreadable producer snapshot left out", file=str(path))
            return
        for id_, epoch, seen, last in state:
            producer = self._by_id[id_] = _Producer(epoch, seen)
            producer.last.extend(_Written(*written) for written in last)
