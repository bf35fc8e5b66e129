"""`/api/minio/…`: the object store's buckets: browse them, look into objects, download and delete."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import pyarrow as pa
import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from streams.errors import ObjectMissing, StorageError
from streams.storage.gold.answer import Answer
from streams.storage.objects import ObjectInfo, Objects
from webapp.api.answers import as_response, wanted
from webapp.api.gold import Shape
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.preview import Content, Kind, look
from webapp.removal import Consequence, Measure, Removal
from webapp.times import Time

log = structlog.get_logger()

Bucket = Literal["bronze", "silver", "models"]
BucketName = Annotated[Bucket, Query(description="a layer, or the models")]
# No store keeps such a key, and no page of ours has one.
_NAME: Final = r"^[^\x00-\x1f\x7f]*$"
Key = Annotated[
    str,
    Query(
        min_length=1,
        max_length=1024,
        pattern=_NAME,
        examples=["crashes/2026-09-01_2026-10-01/da862680b760622a670462fcbffd2c5d.json.gz"],
    ),
]
Prefix = Annotated[
    str, Query(max_length=1024, pattern=_NAME, description="a folder, with its slash", examples=["crashes/"])
]
Confirm = Annotated[str, Query(max_length=1100, description="what is deleted, typed out: `bucket` or `bucket/prefix`")]
DryRun = Annotated[bool, Query(description="only say what would be deleted, and what that means; needs no confirm")]

# Objects asked about at a time.
_AT_ONCE: Final = 16
# Each may take some 100 MB of memory.
_LOOKERS: Final = 2


class StoredObject(BaseModel):
    """An object. `metadata` is null where it was not asked for."""

    key: str
    size: int = Field(description="bytes, as stored")
    modified: Time
    metadata: dict[str, str] | None = None


class Folder(BaseModel):
    """What is right under a prefix, by name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "bucket": "bronze",
                    "prefix": "crashes/",
                    "folders": ["crashes/2026-09-01_2026-10-01/", "crashes/stream/"],
                    "objects": [],
                    "after": None,
                }
            ]
        }
    )

    bucket: Bucket
    prefix: str
    folders: list[str]
    objects: list[StoredObject]
    after: str | None = Field(description="there is more: give this as `after`")


class Preview(BaseModel):
    """A look into an object: rows of a table, or text, decompressed."""

    bucket: Bucket
    key: str
    size: int = Field(description="bytes, as stored")
    modified: Time
    content_type: str | None
    content_encoding: str | None
    metadata: dict[str, str] = Field(description="a page's: request, headers, rows, sha256, dataset, months")
    kind: Kind
    columns: list[str]
    rows: list[dict[str, Any]]
    count: int | None = Field(description="rows there are, where that is told")
    text: str | None
    cut: str | None = Field(description="what is left out")


class Removed(BaseModel):
    """What was deleted, or with `dry_run` would be, and what that means."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "bronze/crashes",
                    "objects": 12,
                    "size": 17973060,
                    "deleted": False,
                    "lost": "These pages as the portal sent them, …",
                    "heals": "A backfill fetches again what the portal holds now.",
                }
            ]
        }
    )

    name: str = Field(description="what `confirm` has to be")
    objects: int
    size: int = Field(description="bytes")
    deleted: bool
    lost: str
    heals: str


def routes(objects: Objects, removal: Removal, may_write: Callable[..., None]) -> APIRouter:
    """The routes of the object store; ``may_write`` is the dependency that checks the token."""
    missing: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope, "description": "there is no such object"}}
    denied: dict[int | str, dict[str, Any]] = {
        **{code: {"model": ErrorEnvelope} for code in (401, 403)},
        404: {"model": ErrorEnvelope, "description": "nothing is there"},
        409: {"model": ErrorEnvelope, "description": "deleting it would corrupt the copy without a word"},
    }
    router = APIRouter(prefix="/api/minio", tags=["store"], responses=ERRORS)
    turn = asyncio.Semaphore(_LOOKERS)

    @router.get("/browse")
    async def browse(
        bucket: BucketName,
        prefix: Prefix = "",
        after: Annotated[str | None, Query(max_length=2048, pattern=_NAME, description="`after` of before")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        metadata: Annotated[bool, Query(description="ask for each object's metadata, too")] = False,
    ) -> Folder:
        """Folders and objects right under a prefix. Times are in UTC."""
        with _refused("prefix"):
            listing = await objects.folder(bucket, prefix, after=after, limit=limit)
            told = await _metadata(objects, bucket, listing.objects) if metadata else {}
        return Folder(
            bucket=bucket,
            prefix=prefix,
            folders=listing.folders,
            objects=[
                StoredObject(key=one.key, size=one.size, modified=one.modified, metadata=told.get(one.key))
                for one in listing.objects
            ],
            after=listing.after,
        )

    @router.get("/preview", response_model=Preview, responses=missing)
    async def preview(
        request: Request,
        bucket: BucketName,
        key: Key,
        limit: Annotated[int, Query(ge=1, le=1000, description="rows")] = 50,
        form: Shape = None,
    ) -> Response:
        """An object looked into. Pages and Parquet files are tables, and may be had as CSV, Arrow or Parquet.

        Only as much is read as is shown, and 4 MB of text at most: `cut` says what is left out.
        """
        shape = wanted(request, form)
        with _refused("key"):
            info = await objects.head(bucket, key)
            async with turn:
                content = await look(objects, bucket, info, limit)
        if shape != "json":
            return await as_response(Answer(_table(content), truncated=content.cut is not None), shape)
        found = Preview(
            bucket=bucket,
            key=key,
            size=info.size,
            modified=info.modified,
            content_type=info.content_type,
            content_encoding=info.content_encoding,
            metadata=dict(info.metadata),
            kind=content.kind,
            columns=content.columns,
            rows=content.rows,
            count=content.count,
            text=content.text,
            cut=content.cut,
        )
        return Response(await asyncio.to_thread(found.model_dump_json), media_type="application/json")

    @router.get(
        "/object",
        response_class=StreamingResponse,
        responses={**missing, 200: {"description": "the bytes as stored", "content": {"application/octet-stream": {}}}},
    )
    async def download(bucket: BucketName, key: Key) -> StreamingResponse:
        """An object, byte for byte as it is stored: a page of Bronze is still compressed."""
        with _refused("key"):
            info = await objects.head(bucket, key)
            pieces = objects.stream(bucket, key)
            # Asked for before anything is answered: what fails now can still be told.
            first = await anext(pieces, b"")
        name = quote(key.rsplit("/", 1)[-1])
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Content-Length": str(info.size)}
        return StreamingResponse(_joined(first, pieces), media_type="application/octet-stream", headers=headers)

    async def remove(bucket: Bucket, prefix: str, confirm: str, dry_run: bool) -> Removed:
        name = f"{bucket}/{prefix}".rstrip("/")
        what = await removal.consequence(bucket, prefix)
        measure = await removal.measure(bucket, prefix)
        if prefix and not measure.objects:
            hint = f"GET /api/minio/browse?bucket={bucket} lists what is there"
            raise ApiError(404, "not-found", f"there is nothing in {name}", field="prefix", hint=hint)
        if what.refused is not None:
            raise ApiError(
                409, "kept", f"{name} is not deleted: {what.refused}", field="prefix" if prefix else "bucket",
                hint=what.heals,
            )  # fmt: skip
        if dry_run:
            return _removed(name, measure, what, deleted=False)
        if confirm.rstrip("/") != name:
            message = f"confirm: {confirm!r} is not {name!r}" if confirm else "confirm is missing"
            raise ApiError(422, "invalid-request", message, field="confirm", hint=f"add confirm={name}")
        measure = await removal.remove(bucket, prefix)
        log.warning("deleted", name=name, objects=measure.objects, bytes=measure.size)
        return _removed(name, measure, what, deleted=True)

    @router.delete("/folder", dependencies=[Depends(may_write)], responses=denied)
    async def remove_folder(
        bucket: BucketName, prefix: Prefix, confirm: Confirm = "", dry_run: DryRun = False
    ) -> Removed:
        """Delete a folder. The answer says how much that was, what is lost by it, and what heals it.

        What would corrupt the copy without a word is refused (409): a month of Silver, a model that serves.
        """
        if not prefix.endswith("/"):
            hint = f"add a slash: prefix={prefix}/" if prefix else "to empty the bucket: DELETE /api/minio/bucket"
            raise ApiError(422, "invalid-request", f"prefix: {prefix!r} is no folder", field="prefix", hint=hint)
        with _refused("prefix"):
            return await remove(bucket, prefix, confirm, dry_run)

    @router.delete("/bucket", dependencies=[Depends(may_write)], responses=denied)
    async def remove_bucket(bucket: BucketName, confirm: Confirm = "", dry_run: DryRun = False) -> Removed:
        """Empty a bucket, which itself stays. Bronze keeps the extent, Silver a version without a row of each month."""
        with _refused("bucket"):
            return await remove(bucket, "", confirm, dry_run)

    return router


def _removed(name: str, measure: Measure, what: Consequence, *, deleted: bool) -> Removed:
    return Removed(
        name=name, objects=measure.objects, size=measure.size, deleted=deleted, lost=what.lost, heals=what.heals
    )


async def _metadata(objects: Objects, bucket: str, listed: list[ObjectInfo]) -> Mapping[str, dict[str, str]]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(key: str) -> dict[str, str]:
        async with turn:
            try:
                return dict((await objects.head(bucket, key)).metadata)
            except ObjectMissing:  # deleted since it was listed
                return {}

    keys = [one.key for one in listed]
    return dict(zip(keys, await asyncio.gather(*map(ask, keys)), strict=True))


def _table(content: Content) -> pa.Table:
    """The rows as a table of text: values of JSON have no type that a column could be sure of."""
    if content.kind != "table":
        hint = "leave format out, or GET /api/minio/object"
        raise ApiError(422, "invalid-request", f"the object is {content.kind}, no table", field="format", hint=hint)
    return pa.table({name: pa.array([_text(row.get(name)) for row in content.rows]) for name in content.columns})


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else to_json(value).decode()


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


@contextmanager
def _refused(field: str) -> Iterator[None]:
    """What the store does not have is 404; what it refuses for good is told as that."""
    try:
        yield
    except ObjectMissing:
        hint = "GET /api/minio/browse lists what is there"
        raise ApiError(404, "not-found", "there is no such object", field=field, hint=hint) from None
    except StorageError as error:
        if error.retriable:
            raise
        raise ApiError(503, "store-refused", error.message, hint=error.hint or "look at the store's log") from None
