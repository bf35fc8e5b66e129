"""Faust's Kafka transport, with the offsets in our own hands.

Faust drops what it reads while tables recover and partitions move, and counts on seeking back. It does not always get
back: aiokafka's `seek_to_committed` leaves a partition alone that has no committed offset, or offset 0; and a seek can
cross a read that is under way. What Faust then commits skips messages that nobody has handled, and what it reads again
it drops as already read, for ever.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar, cast

from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka

from streams.ledger import Ledger


class NoMarks(dict[Any, int | None]):
    """No partition has been read up to anywhere."""

    def __missing__(self, key: Any) -> None:
        return None

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def update(self, *arguments: Any, **values: Any) -> None:
        """Forget."""


class Consumer(aiokafka.Consumer):
    """Seeks where seeking to the committed offset would not seek at all, and commits what the ledger says."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Faust drops every message before the last one it has read. After a seek back, the messages still coming from
        # before the seek set that mark again, and nothing up to it would ever be delivered. The ledger is the judge.
        self._read_offset: MutableMapping[Any, int | None] = NoMarks()

    @property
    def _ledger(self) -> Ledger:
        ledger: Ledger = cast(Transport, self.transport).ledger
        return ledger

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Seek all partitions to where the group stands in them."""
        committed: Mapping[Any, int] = await super().seek_to_committed()
        ours = {tp: offset for tp, offset in committed.items() if not self._is_changelog_tp(tp)}
        untouched = [tp for tp, offset in ours.items() if not offset]
        starts: Mapping[Any, int] = {}
        if untouched:
            await self._thread.seek_to_beginning(*untouched)
            starts = await self._thread.earliest_offsets(*untouched)
        self._ledger.begin({TopicPartition(*tp): offset or starts[tp] for tp, offset in ours.items()})
        return committed

    def _new_offset(self, tp: Any) -> int | None:
        # What Faust remembers of acknowledged messages would pile up behind every hole in a partition.
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self._ledger.handled(TopicPartition(*tp))


class Transport(aiokafka.Transport):
    """Kafka transport of an app whose offsets `ledger` keeps."""

    Consumer: ClassVar[type[Consumer]] = Consumer

    def __init__(self, *arguments: Any, ledger: Ledger) -> None:
        super().__init__(*arguments)
        self.ledger = ledger
