"""The object store under kill -9, out of reach, and answering half."""

import asyncio
import hashlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.errors import ObjectExists, StorageError, StoreUnavailable
from streams.local.ports import choose_port
from streams.storage.objects import S3Objects
from tests.embedded_s3 import embedded_store


async def test_no_acknowledged_put_is_lost_to_kill_9(tmp_path: Path) -> None:
    """Neither across the restart by the supervisor, nor across that of all, on other ports."""
    acknowledged: dict[str, str] = {}
    failures: list[StorageError] = []
    async with embedded_store(tmp_path / "data") as store, store.client() as objects:
        await objects.ensure_buckets(["bronze"])
        enough, back = asyncio.Event(), asyncio.Event()

        async def write(writer: int) -> None:
            for n in range(100_000):
                key, body = f"{writer}/{n}", os.urandom(20_000)
                try:
                    await objects.put("bronze", key, body, if_absent=True)
                except StoreUnavailable as error:
                    failures.append(error)
                    continue
                acknowledged[key] = hashlib.sha256(body).hexdigest()
                if len(acknowledged) > 100:
                    enough.set()
                if back.is_set():
                    return

        writers = [asyncio.create_task(write(n)) for n in range(8)]
        await enough.wait()
        os.kill(store.pid, signal.SIGKILL)
        killed_at = len(acknowledged)
        async with asyncio.timeout(30):
            while len(acknowledged) == killed_at or not await answers(objects):
                await asyncio.sleep(0.05)
        back.set()
        await asyncio.gather(*writers)
        await verify(objects, acknowledged)
        assert store.supervisor is not None
        assert [status.restarts for status in store.supervisor.status()] == [1]
        first = store.endpoint_url
        os.kill(store.pid, signal.SIGKILL)

    async with embedded_store(tmp_path / "data") as store, store.client() as objects:
        assert store.endpoint_url != first
        await verify(objects, acknowledged)
        await objects.put("bronze", "more", bytes(1000))
        assert len((await objects.get("bronze", "more"))[0]) == 1000


async def answers(objects: S3Objects) -> bool:
    try:
        await objects.ping()
    except StoreUnavailable:
        return False
    return True


async def verify(objects: S3Objects, acknowledged: dict[str, str]) -> None:
    listed = {found.key async for found in objects.list("bronze")}
    assert acknowledged.keys() <= listed

    async def same(key: str) -> bool:
        return hashlib.sha256((await objects.get("bronze", key))[0]).hexdigest() == acknowledged[key]

    assert all(await asyncio.gather(*map(same, acknowledged)))


async def test_out_of_reach_is_retriable_and_quick(tmp_path: Path) -> None:
    async with S3Objects(f"http://127.0.0.1:{choose_port(0)}", "key", "secret") as objects:
        started = time.monotonic()
        calls = [objects.ping(), objects.put("b", "k", b""), objects.get("b", "k"), objects.head("b", "k")]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, StoreUnavailable)
            assert "CRASH_S3_ENDPOINT_URL" in str(outcome)
        assert time.monotonic() - started < 6


async def request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The head of a request that was received whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:-1])
    if b"expect" in fields:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await reader.readexactly(int(fields.get(b"content-length", 0)))
    return head


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[S3Objects, list[bytes]]]:
    """A client of a server that gives these answers, one a connection, the last one again and again."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await request(reader, writer))
        writer.write(answers[min(len(requests), len(answers)) - 1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, S3Objects(f"http://127.0.0.1:{port}", "key", "secret") as objects:
        yield objects, requests


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body)), "Connection": "close"} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


OBJECT = {"ETag": '"e"', "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}


@pytest.mark.parametrize(
    "broken",
    [
        answer("200 OK", b"half of it", Content_Length="20", **OBJECT),
        # The length is right, but the content is not what was stored: CRC-32 of something else.
        answer("200 OK", b"all of it!", x_amz_checksum_crc32="AAAAAA==", **OBJECT),
        answer("200 OK", b"5\r\nhal", Transfer_Encoding="chunked", **OBJECT).replace(b"Content-Length: 8\r\n", b""),
    ],
    ids=["cut short", "damaged", "chunks cut short"],
)
async def test_a_broken_body_is_not_returned(broken: bytes) -> None:
    async with answering(broken) as (objects, _):
        with pytest.raises(StoreUnavailable, match="bronze/page"):
            await objects.get("bronze", "page")


async def test_a_whole_body_of_the_same_server_is(tmp_path: Path) -> None:
    async with answering(answer("200 OK", b"all of it!", **OBJECT)) as (objects, _):
        assert (await objects.get("bronze", "page"))[0] == b"all of it!"


@pytest.mark.parametrize(
    ("status", "tries"), [("500 Oh", 3), ("503 Slow Down", 3), ("507 Insufficient Storage", 1), ("429 Too Many", 1)]
)
async def test_a_failing_or_full_store_is_retriable(status: str, tries: int) -> None:
    async with answering(answer(status)) as (objects, requests):
        with pytest.raises(StoreUnavailable):
            await objects.put("bronze", "page", b"1")
    assert len(requests) == tries


async def test_a_listing_cut_short_is_retriable() -> None:
    page = b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key>"
    async with answering(answer("200 OK", page, Content_Length="500")) as (objects, _):
        with pytest.raises(StoreUnavailable):
            assert [found async for found in objects.list("bronze")]


EXISTS = answer("412 Precondition Failed", b"<Error><Code>PreconditionFailed</Code></Error>")


async def test_a_conditional_put_whose_answer_was_lost_has_won() -> None:
    """The first answer never comes, so the client tries again and finds its own object: that is no lost race."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(head := await request(reader, writer))
        if head.startswith(b"PUT"):
            if len(requests) > 1:
                writer.write(EXISTS)
        else:
            (mark,) = [line for line in requests[0].splitlines() if line.lower().startswith(b"x-amz-meta-writer")]
            writer.write(answer("200 OK", **OBJECT).removesuffix(b"\r\n") + mark + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, S3Objects(f"http://127.0.0.1:{port}", "key", "secret") as objects:
        await objects.put("silver", "1", b"1", if_absent=True)
    assert [head.split()[0] for head in requests] == [b"PUT", b"PUT", b"HEAD"]


async def test_a_conditional_put_that_was_tried_again_and_found_another_has_lost() -> None:
    other = answer("200 OK", x_amz_meta_writer="another", **OBJECT)
    async with answering(b"", EXISTS, other) as (objects, _):
        with pytest.raises(ObjectExists):
            await objects.put("silver", "1", b"1", if_absent=True)


async def test_an_endpoint_that_is_no_url_names_the_setting() -> None:
    with pytest.raises(StorageError) as wrong:
        async with S3Objects("localhost", "key", "secret"):
            pass
    assert wrong.value.field == "CRASH_S3_ENDPOINT_URL"
