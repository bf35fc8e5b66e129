"""The broker: its parts put together, its sockets, its housekeeping."""

import asyncio
import errno
import fcntl
import resource
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog

from streams.errors import LocalError, RequestError
from streams.local.broker.admin import Admin
from streams.local.broker.cleanup import CleanupStopped, clean
from streams.local.broker.coordinator import Coordinator
from streams.local.broker.journal import Journal
from streams.local.broker.records import Records
from streams.local.broker.topics import Topics
from streams.local.broker.wire import APIS, Client, Message, Request, read_request, write_response

log = structlog.get_logger()

Handler = Callable[[Message, Client], Awaitable[Message | None]]

_LARGEST_REQUEST = 100 * 1024 * 1024  # bytes, as Kafka's socket.request.max.bytes
_BUFFER = 1024 * 1024  # bytes a connection may have in flight before it is held back
_DISK_THREADS = 4


@asynccontextmanager
async def serve(data_dir: Path, host: str, port: int, cleanup_seconds: float) -> AsyncIterator[None]:
    """Run a broker over ``data_dir`` for as long as the context lasts.

    Raises LocalError if the port cannot be had, or the directory cannot be written or is another broker's.
    """
    begun = time.monotonic()
    stop = threading.Event()
    with (
        _claimed(data_dir),
        ThreadPoolExecutor(_DISK_THREADS, "disk") as disk,
        ThreadPoolExecutor(1, "cleanup") as cleaner,
    ):
        _allow_many_files()
        journal = Journal(data_dir / "journal", disk)
        topics = Topics(data_dir / "topics", journal, disk)
        await topics.load()
        broker = Broker(topics, journal, disk)
        server = await _listen(broker, host, port)
        cleaning = asyncio.create_task(_keep_clean(topics, cleanup_seconds, cleaner, stop))
        opened = round(time.monotonic() - begun, 3)
        log.info("broker is ready", host=host, port=port, topics=len(list(topics)), seconds=opened)
        try:
            yield
        finally:
            server.close()
            stop.set()
            cleaning.cancel()
            await broker.close()
            journal.close()
            log.info("broker has stopped")


class Broker:
    """Takes requests off connections and hands each to the handler of its name."""

    def __init__(self, topics: Topics, journal: Journal, disk: Executor) -> None:
        self._topics = topics
        self._coordinator = Coordinator(topics, journal)
        parts = (Admin(topics), Records(topics, journal, disk), self._coordinator)
        self._handlers: dict[str, Handler] = {
            api.handler: getattr(part, api.handler)
            for api in APIS.values()
            for part in parts
            if hasattr(part, api.handler)
        }
        self._connections: set[asyncio.Task[None]] = set()

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a new connection."""
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """End the connections, and wait for what is being written."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._coordinator.close()
        for topic in self._topics:
            for partition in topic.partitions:
                await partition.flush()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, a request at a time, so that answers come in the order of the requests."""
        (peer, *_), (host, port, *_) = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        try:
            while True:
                (length,) = struct.unpack(">i", await reader.readexactly(4))
                if not 0 < length <= _LARGEST_REQUEST:
                    raise RequestError(f"a request of {length} bytes")
                request = read_request(await reader.readexactly(length))
                answer = await self._answer(request, Client(request.client_id, peer, host, port))
                if answer is not None:
                    writer.writelines(write_response(request, answer))
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        except RequestError as error:
            log.warning("connection closed", client=peer, reason=str(error))
        except Exception:
            log.exception("request failed", client=peer)
        finally:
            writer.close()

    async def _answer(self, request: Request, client: Client) -> Message | None:
        return await self._handlers[request.api.handler](request.body, client)


async def _listen(broker: Broker, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(broker.connect, host, port, limit=_BUFFER)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = "choose another with --port, or stop what listens there"
            raise LocalError(f"port {port} of {host} is taken", field="port", hint=hint) from error
        raise LocalError(f"cannot listen at {host}:{port}: {error.strerror}", field="host") from error


@contextmanager
def _claimed(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this process alone."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        reason = f"cannot write to the data directory {data_dir}: {error.strerror}"
        raise LocalError(reason, field="data-dir", hint="choose another with --data-dir") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = f"the data directory {data_dir} is in use by another broker"
            raise LocalError(reason, field="data-dir", hint="stop it, or choose another directory") from error
        yield


def _allow_many_files() -> None:
    """Raise the soft limit of open files: every segment is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _keep_clean(topics: Topics, seconds: float, cleaner: Executor, stop: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds)
        for partition in [partition for topic in topics for partition in topic.partitions]:
            try:
                await loop.run_in_executor(cleaner, clean, partition.log, int(time.time() * 1000), stop)
            except CleanupStopped:
                return
            except Exception:
                # The next partition and the next round go on: a full disk or a deleted topic passes.
                log.exception("cleanup failed", directory=str(partition.log.directory))
