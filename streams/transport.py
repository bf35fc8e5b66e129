"""Faust's Kafka transport, with one hole closed: messages lost from a partition of which nothing is committed yet.

While tables recover, and during a rebalance, Faust reads on and drops what it reads, then seeks back to the committed
offsets. aiokafka's `seek_to_committed` leaves a partition alone that has none, or whose offset is 0: what was dropped
of it is never read again. `tests/fault/test_stream_app.py` loses messages without this.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from faust.transport.drivers import aiokafka


class Consumer(aiokafka.Consumer):
    """Seeks to the beginning where seeking to the committed offset would not seek at all."""

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Seek all partitions to where the group stands in them."""
        committed: Mapping[Any, int] = await super().seek_to_committed()
        untouched = [tp for tp, offset in committed.items() if not offset and not self._is_changelog_tp(tp)]
        if untouched:
            await self._thread.seek_to_beginning(*untouched)
        return committed


class Transport(aiokafka.Transport):
    """Kafka transport of every app here."""

    Consumer: ClassVar[type[Consumer]] = Consumer
