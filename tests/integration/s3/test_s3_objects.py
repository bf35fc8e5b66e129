"""What the service relies on of an S3 store; runs against any, see conftest.py."""

import asyncio
import gzip
import hashlib
import json
import os
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from streams.errors import ObjectExists, ObjectMissing, StorageError, StoreUnavailable
from streams.storage.objects import S3Objects
from tests.embedded_s3 import Store

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_was_put_is_got(objects: S3Objects, bucket: str) -> None:
    body = gzip.compress(b'[{"crash_record_id":"1"}]')
    metadata = {
        "request": json.dumps({"$where": "street = 'MAIN  ST'\n", "city": "Łódź € 東京"}),
        "sha256": hashlib.sha256(body).hexdigest(),
        "row-count": "1",
        "empty": "",
        "blanks": "  100 %41 + ~  ",
    }
    before = datetime.now(UTC) - timedelta(seconds=2)

    await objects.put(
        bucket,
        "pages/α β+%&/x=1/a.json.gz",
        body,
        metadata=metadata,
        content_type="application/json",
        content_encoding="gzip",
    )

    got, info = await objects.get(bucket, "pages/α β+%&/x=1/a.json.gz")
    assert got == body  # not decompressed
    assert info == await objects.head(bucket, "pages/α β+%&/x=1/a.json.gz")
    assert (info.key, info.size) == ("pages/α β+%&/x=1/a.json.gz", len(body))
    assert info.metadata == metadata
    assert (info.content_type, info.content_encoding) == ("application/json", "gzip")
    assert before <= info.modified <= datetime.now(UTC) + timedelta(seconds=2)
    assert info.modified.tzinfo is UTC
    (listed,) = [found async for found in objects.list(bucket, "pages/α β")]
    assert (listed.key, listed.size, listed.etag) == (info.key, info.size, info.etag)


@pytest.mark.parametrize("size", [0, 1, 20 * 2**20])
async def test_bodies_of_any_size(objects: S3Objects, bucket: str, size: int) -> None:
    body = os.urandom(size)
    await objects.put(bucket, f"sizes/{size}", body)
    got, info = await objects.get(bucket, f"sizes/{size}")
    assert got == body
    assert info.size == size


async def test_a_put_replaces_body_and_metadata(objects: S3Objects, bucket: str) -> None:
    await objects.put(bucket, "replaced", b"old", metadata={"of": "old"}, content_encoding="gzip")
    old = await objects.head(bucket, "replaced")
    await objects.put(bucket, "replaced", b"new")
    got, info = await objects.get(bucket, "replaced")
    assert got == b"new"
    assert (info.metadata, info.content_encoding) == ({}, None)
    assert info.etag != old.etag


async def test_metadata_that_would_not_survive_is_refused(objects: S3Objects, bucket: str) -> None:
    with pytest.raises(StorageError, match="2048") as too_long:
        await objects.put(bucket, "refused", b"", metadata={"short": "1", "request": "é" * 400})
    assert too_long.value.field == "request"
    with pytest.raises(StorageError, match="'Row Count'") as wrong_name:
        await objects.put(bucket, "refused", b"", metadata={"Row Count": "1"})
    assert wrong_name.value.field == "Row Count"
    with pytest.raises(ObjectMissing):
        await objects.head(bucket, "refused")


async def test_of_twenty_conditional_puts_one_wins(objects: S3Objects, bucket: str) -> None:
    bodies = [os.urandom(200_000) for _ in range(20)]

    async def wins(body: bytes) -> bool:
        try:
            await objects.put(bucket, "silver/2024-01/000001", body, metadata={"who": "me"}, if_absent=True)
        except ObjectExists:
            return False
        return True

    won = [body for body, win in zip(bodies, await asyncio.gather(*map(wins, bodies)), strict=True) if win]
    got, info = await objects.get(bucket, "silver/2024-01/000001")
    assert won == [got]
    assert info.metadata == {"who": "me"}


async def test_a_conditional_put_leaves_what_is_there(objects: S3Objects, bucket: str) -> None:
    await objects.put(bucket, "there", b"first")
    with pytest.raises(ObjectExists, match="there"):
        await objects.put(bucket, "there", b"first", if_absent=True)
    await objects.delete(bucket, ["there"])
    await objects.put(bucket, "there", b"second", if_absent=True)
    assert (await objects.get(bucket, "there"))[0] == b"second"


async def test_what_is_missing(objects: S3Objects, bucket: str) -> None:
    with pytest.raises(ObjectMissing, match="no/such"):
        await objects.get(bucket, "no/such")
    with pytest.raises(ObjectMissing, match="no/such"):
        await objects.head(bucket, "no/such")
    assert [found async for found in objects.list(bucket, "no/such")] == []
    await objects.delete(bucket, ["no/such"])
    with pytest.raises(StorageError, match=r"no-such-bucket.*NoSuchBucket"):
        await objects.put("no-such-bucket", "a", b"")


async def test_listing_and_deleting_more_than_a_page(objects: S3Objects, bucket: str) -> None:
    keys = [f"many/{month:02}/{n:04}.json" for month in (2, 1) for n in range(505)]
    slots = asyncio.Semaphore(16)

    async def put(key: str) -> None:
        async with slots:
            await objects.put(bucket, key, b"{}")

    await asyncio.gather(*map(put, keys))
    keys.sort()
    assert [found.key async for found in objects.list(bucket, "many/")] == keys
    assert [found.key async for found in objects.list(bucket, "many/02/")] == keys[505:]
    assert [found.key async for found in objects.list(bucket, "many/", start_after=keys[77])] == keys[78:]
    await objects.delete(bucket, iter(keys[5:]))
    assert [found.key async for found in objects.list(bucket, "many/")] == keys[:5]


async def test_a_listing_resumes_after_any_of_its_keys(objects: S3Objects, bucket: str) -> None:
    """Stores differ in the place of `a/1` beside `a-b`, but each goes on where it stopped."""
    names = ["a/1", "a/2", "a-b", "a b", "a.b", "a0", "ab/1", "z", "é"]
    for name in names:
        await objects.put(bucket, f"order/{name}", b"")
    listed = [found.key async for found in objects.list(bucket, "order/")]
    assert sorted(listed) == sorted(f"order/{name}" for name in names)
    for place, key in enumerate(listed):
        rest = [found.key async for found in objects.list(bucket, "order/", start_after=key)]
        assert rest == listed[place + 1 :]


async def test_readers_never_see_a_mixture(objects: S3Objects, bucket: str) -> None:
    bodies = [os.urandom(6 * 2**20) for _ in range(2)]  # more than one chunk of the store
    await objects.put(bucket, "atomic", bodies[0])
    written = asyncio.Event()

    async def write() -> None:
        for turn in range(8):
            await objects.put(bucket, "atomic", bodies[turn % 2])
        written.set()

    async def read() -> int:
        reads = 0
        while not written.is_set():
            assert (await objects.get(bucket, "atomic"))[0] in bodies
            reads += 1
        return reads

    _, *reads = await asyncio.gather(write(), read(), read())
    assert sum(reads) > 4


async def test_buckets_are_made_once(objects: S3Objects, bucket: str) -> None:
    await objects.put(bucket, "kept", b"kept")
    await asyncio.gather(*(objects.ensure_buckets([bucket]) for _ in range(5)))
    assert (await objects.get(bucket, "kept"))[0] == b"kept"


async def test_wrong_credentials_name_the_settings(store: Store, bucket: str) -> None:
    for wrong in (store.client(secret_key="wrong" * 4), store.client(access_key="nobody")):
        async with wrong as objects:
            for call in (
                objects.ping(),
                objects.put(bucket, "denied", b""),
                objects.get(bucket, "denied"),
                objects.head(bucket, "denied"),
                objects.ensure_buckets([bucket]),
                objects.delete(bucket, ["denied"]),
            ):
                with pytest.raises(StorageError, match="CRASH_S3_ACCESS_KEY and CRASH_S3_SECRET_KEY") as denied:
                    await call
                assert not isinstance(denied.value, StoreUnavailable)


async def test_ping(objects: S3Objects) -> None:
    await objects.ping()


async def test_a_folder_is_listed_part_by_part(objects: S3Objects, bucket: str) -> None:
    for key in ("tree/a/1", "tree/a/2", "tree/b/c/3", "tree/x", "tree/y"):
        await objects.put(bucket, key, b"body")
    folders, found, after = [], [], None
    for _ in range(4):
        part = await objects.folder(bucket, "tree/", after=after, limit=1)
        assert len(part.folders) + len(part.objects) == 1
        folders, found, after = folders + part.folders, found + part.objects, part.after
    assert (folders, [one.key for one in found], after) == (["tree/a/", "tree/b/"], ["tree/x", "tree/y"], None)
    assert found[0].size == 4
    await objects.delete(bucket, ["tree/a/1", "tree/a/2", "tree/b/c/3"])
    assert (await objects.folder(bucket, "tree/", after=None, limit=9)).folders == []
    assert (await objects.folder(bucket, "no/such/", after=None, limit=1)).objects == []


async def test_a_body_is_streamed_and_can_be_left(objects: S3Objects, bucket: str) -> None:
    body = os.urandom(3 * 2**20)
    await objects.put(bucket, "streamed", body)
    assert b"".join([piece async for piece in objects.stream(bucket, "streamed")]) == body
    for _ in range(40):  # more than there are connections
        async with aclosing(objects.stream(bucket, "streamed")) as pieces:
            assert body.startswith(await anext(pieces))
    with pytest.raises(ObjectMissing):
        await anext(objects.stream(bucket, "no-such"))
