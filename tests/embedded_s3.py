"""The embedded S3 store under its supervisor, as `crash-stream up` runs it."""

import asyncio
import atexit
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from streams.local.ports import choose_port
from streams.local.s3 import GRPC, embedded_s3
from streams.local.supervisor import Supervisor
from streams.storage.objects import S3Objects

BUCKETS = ("bronze", "silver", "models")


@dataclass
class Store:
    endpoint_url: str
    access_key: str
    secret_key: str
    supervisor: Supervisor | None = None

    def client(self, *, secret_key: str | None = None, access_key: str | None = None) -> S3Objects:
        return S3Objects(self.endpoint_url, access_key or self.access_key, secret_key or self.secret_key)

    @property
    def pid(self) -> int:
        assert self.supervisor
        (status,) = self.supervisor.status()
        assert status.pid
        return status.pid


@asynccontextmanager
async def embedded_store(data_dir: Path) -> AsyncIterator[Store]:
    """A store over ``data_dir``, on ports that are free now."""
    taken: set[int] = set()
    port = choose_port(0, taken=taken, twin=GRPC)
    store = Store(f"http://127.0.0.1:{port}", "crash-stream", "a secret of at least some length")
    part = embedded_s3(data_dir, port=port, access_key=store.access_key, secret_key=store.secret_key, taken=taken)
    try:
        async with Supervisor(data_dir.with_name(f"{data_dir.name}-logs")) as store.supervisor:
            await store.supervisor.start([part])
            yield store
    finally:
        for number in taken:  # what it leaves behind when it is killed
            for name in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                name.unlink()


@asynccontextmanager
async def shared_objects() -> AsyncIterator[S3Objects]:
    """Empty buckets `bronze`, `silver` and `models` in a store that all tests of this process share.

    A store of its own costs a test more than most tests take.
    """
    async with shared_store().client() as objects:
        await objects.ensure_buckets(BUCKETS)
        for bucket in BUCKETS:
            await objects.delete(bucket, [info.key async for info in objects.list(bucket)])
        yield objects


@cache
def shared_store() -> Store:
    """The store of `shared_objects`. It lives on a loop of its own, as tests' loops end before it does."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    folder = tempfile.TemporaryDirectory(prefix="crash-stream-s3-")
    running = embedded_store(Path(folder.name) / "s3")

    def stop() -> None:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        folder.cleanup()

    store = asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(60)
    atexit.register(stop)
    return store
