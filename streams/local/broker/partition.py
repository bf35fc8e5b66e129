"""A partition as the event loop sees it: appends in order, reads from a thread, and a call when it grows."""

import asyncio
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

import structlog
from aiokafka.errors import BrokerResponseError, KafkaStorageError, UnknownError

from streams.local.broker.log import Log

log = structlog.get_logger()


class Partition:
    """One log, whose disk work runs in ``disk`` threads."""

    def __init__(self, log: Log, disk: Executor) -> None:
        self.log = log
        self._disk = disk
        self._waiting: list[tuple[bytes, asyncio.Future[int]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._watchers: set[asyncio.Event] = set()

    async def append(self, batch: bytes) -> int:
        """Store a batch after those given before it and return its offset, once it is written.

        What comes in while one write is under way shares the next one's turn. Raises BrokerResponseError.
        """
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, stored))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await stored

    async def flush(self) -> None:
        """Wait until what has been given is written."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            turn, self._waiting = self._waiting, []
            results = await loop.run_in_executor(self._disk, self._append_all, [batch for batch, _ in turn])
            for (_, stored), result in zip(turn, results, strict=True):
                if stored.done():  # its connection is gone
                    continue
                if isinstance(result, BrokerResponseError):
                    stored.set_exception(result)
                else:
                    stored.set_result(result)
            for watcher in self._watchers:
                watcher.set()
        self._writer = None

    def _append_all(self, batches: list[bytes]) -> list[int | BrokerResponseError]:
        results: list[int | BrokerResponseError] = []
        for batch in batches:
            try:
                results.append(self.log.append(batch))
            except BrokerResponseError as refused:
                results.append(refused)
            except OSError as error:
                log.exception("write failed", directory=str(self.log.directory))
                results.append(KafkaStorageError(str(error)))
            except Exception as error:
                # One batch must not end the writer, on which every later one waits.
                log.exception("append failed", directory=str(self.log.directory))
                results.append(UnknownError(str(error)))
        return results


@contextmanager
def watching(partitions: Iterable[Partition]) -> Iterator[asyncio.Event]:
    """Give an event that is set whenever one of these partitions has grown."""
    grown = asyncio.Event()
    watched = list(partitions)
    for partition in watched:
        partition._watchers.add(grown)
    try:
        yield grown
    finally:
        for partition in watched:
            partition._watchers.discard(grown)
