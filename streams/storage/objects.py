"""Objects in an S3 store: the one place that speaks S3.

Only the plain S3 API is used (put, conditional put, get, head, list, delete), so any store that speaks it
will do: SeaweedFS on a laptop, MinIO or S3 itself in production. Every failure leaves here as a type of
:mod:`streams.errors`; ``StoreUnavailable`` is the retriable one.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import quote, unquote
from uuid import uuid4

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from streams.errors import ObjectExists, ObjectMissing, StorageError, StoreUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

BINARY = "application/octet-stream"
METADATA_LIMIT = 2048  # bytes of names and values, the limit of S3 itself
DELETE_LIMIT = 1000  # keys in one DeleteObjects request, the limit of S3 itself
PING_SECONDS = 5.0
PIECE = 256 * 1024  # bytes read of a body at a time

# Marks whose conditional put an object is; see `S3Objects.put`. Never shown to callers.
WRITER = "writer"

# How metadata is written: %-encoded but for what is printable, and never empty, since some stores drop that.
PLAIN = "!\"#$&'()*+,/:;<=>?@[]^`{|}"
EMPTY = "%"

CREDENTIALS_HINT = "check CRASH_S3_ACCESS_KEY and CRASH_S3_SECRET_KEY"
ENDPOINT_HINT = "check CRASH_S3_ENDPOINT_URL and that the store is up"
DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401"}
# Codes that pass when tried again, although their status (4xx, or 200 in a batch) does not say so.
TRANSIENT = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store knows of an object. ``size`` is in bytes, ``modified`` in UTC.

    A listing carries neither ``metadata`` nor the two content fields: ask `Objects.head` for them.
    """

    key: str
    size: int
    etag: str
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of what is in a folder. ``after`` is what to go on with, None at the end."""

    folders: list[str]
    objects: list[ObjectInfo]
    after: str | None


class Objects(Protocol):
    """Objects by bucket and key.

    Any method may raise ``StoreUnavailable`` (try again) and ``StorageError`` (denied, no such bucket, …).
    """

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str = BINARY,
        content_encoding: str | None = None,
        if_absent: bool = False,
    ) -> None:
        """Store ``body``; readers see the old object or the new one, whole, and never a mixture.

        With ``if_absent`` exactly one of many concurrent writers succeeds; the others get ``ObjectExists``.
        Metadata values may hold any text, about 2 KB of it in all.
        """

    async def get(self, bucket: str, key: str) -> tuple[bytes, ObjectInfo]:
        """The body exactly as it was put, never decompressed; ``ObjectMissing``."""

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        """What is known of the object, without its body; ``ObjectMissing``."""

    def list(self, bucket: str, prefix: str = "", *, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        """Every object whose key starts with ``prefix`` and comes after ``start_after``, in order of keys.

        Keys are bytes in order for S3 and MinIO, and paths for SeaweedFS: `a/b` comes after `a-b` for the ones
        and before it for the other. Each goes on where it stopped, so ``start_after`` must be a key that was listed
        by the same store. For both, no key may be a folder of another (`a` beside `a/b`).
        """

    async def folder(self, bucket: str, prefix: str, *, after: str | None, limit: int) -> Listing:
        """Folders and objects right under ``prefix``, up to ``limit`` of both, from ``after`` of the listing before."""

    def stream(self, bucket: str, key: str) -> AsyncGenerator[bytes, None]:
        """The body as it was put, piece by piece, so that it is never whole in memory; ``ObjectMissing``.

        Close it (`contextlib.aclosing`) when it is not read to its end.
        """

    async def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Delete the objects; those that are not there are no error."""

    async def ensure_buckets(self, names: Iterable[str]) -> None:
        """Create the buckets that are not there yet."""

    async def ping(self) -> None:
        """Return once the store has answered a signed request, within seconds."""


class S3Objects:
    """`Objects` over any S3 endpoint, to be entered with ``async with``."""

    def __init__(
        self,
        endpoint_url: str,
        access_key: str,
        secret_key: str,
        *,
        region: str = "us-east-1",
        pool: int = 32,
    ) -> None:
        """``pool`` bounds the connections, and so the requests in flight."""
        self._endpoint = endpoint_url
        self._region = region
        self._session = _session(access_key, secret_key, region)
        self._config = AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=pool,
            connect_timeout=3,
            read_timeout=30,
        )
        self._opening: Any = None
        self._client: S3Client

    async def __aenter__(self) -> Self:
        self._opening = self._session.client("s3", endpoint_url=self._endpoint, config=self._config)
        try:
            self._client = await self._opening.__aenter__()
        except ValueError as error:  # botocore on an endpoint that is no URL
            raise StorageError(str(error), field="CRASH_S3_ENDPOINT_URL", hint=ENDPOINT_HINT) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opening.__aexit__(kind, error, trace)

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str = BINARY,
        content_encoding: str | None = None,
        if_absent: bool = False,
    ) -> None:
        """See `Objects.put`."""
        request: dict[str, Any] = {"Bucket": bucket, "Key": key, "Body": body, "ContentType": content_type}
        if content_encoding:
            request["ContentEncoding"] = content_encoding
        writer = uuid4().hex
        if if_absent:
            request |= {"IfNoneMatch": "*", "Metadata": _encoded({**(metadata or {}), WRITER: writer})}
        else:
            request["Metadata"] = _encoded(metadata or {})
        try:
            with self._errors(f"put {bucket}/{key}"):
                await self._client.put_object(**request)
        except ObjectExists:
            # The answer to a put may be lost on its way, and then the HTTP client's own retry finds the object
            # that it has just written. Who wrote it tells that from a race that was lost.
            if await self._writer(bucket, key) != writer:
                raise

    async def get(self, bucket: str, key: str) -> tuple[bytes, ObjectInfo]:
        """See `Objects.get`. A body cut short or damaged on its way is ``StoreUnavailable``."""
        what = f"get {bucket}/{key}"
        with self._errors(what):
            answer = await self._client.get_object(Bucket=bucket, Key=key)
            async with answer["Body"]:  # what this yields is the bare response, which checks nothing
                body = await answer["Body"].read()  # checks the length and, where the store has one, the checksum
        return body, _info(key, answer)

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        """See `Objects.head`."""
        with self._errors(f"head {bucket}/{key}"):
            answer = await self._client.head_object(Bucket=bucket, Key=key)
        return _info(key, answer)

    async def list(self, bucket: str, prefix: str = "", *, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        """See `Objects.list`. Asks for the next page only when the last one is used up."""
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "StartAfter": start_after}
        while True:
            with self._errors(f"list {bucket}/{prefix}"):
                page = await self._client.list_objects_v2(**request)
            for entry in page.get("Contents", []):
                yield _listed(entry)
            if not page["IsTruncated"]:
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    async def folder(self, bucket: str, prefix: str, *, after: str | None, limit: int) -> Listing:
        """See `Objects.folder`."""
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/", "MaxKeys": limit}
        if after is not None:
            request["ContinuationToken"] = after
        with self._errors(f"list {bucket}/{prefix}"):
            page = await self._client.list_objects_v2(**request)
        folders = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        # SeaweedFS goes on listing folders, for a while, whose objects are all deleted.
        filled = await asyncio.gather(*(self._has_any(bucket, folder) for folder in folders))
        return Listing(
            [folder for folder, any_there in zip(folders, filled, strict=True) if any_there],
            [_listed(entry) for entry in page.get("Contents", [])],
            page.get("NextContinuationToken") if page["IsTruncated"] else None,
        )

    async def stream(self, bucket: str, key: str) -> AsyncGenerator[bytes, None]:
        """See `Objects.stream`."""
        with self._errors(f"get {bucket}/{key}"):
            answer = await self._client.get_object(Bucket=bucket, Key=key)
            async with answer["Body"]:
                async for piece in answer["Body"].iter_chunks(PIECE):
                    yield piece

    async def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """See `Objects.delete`."""
        names = [*keys]
        for start in range(0, len(names), DELETE_LIMIT):
            batch = names[start : start + DELETE_LIMIT]
            with self._errors(f"delete {len(batch)} objects of {bucket}"):
                answer = await self._client.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            for failure in answer.get("Errors", []):
                # A batch may fail in part; deleting is idempotent, so all of it can be tried again.
                raise self._refused(f"delete {bucket}/{failure.get('Key')}", 200, failure)

    async def ensure_buckets(self, names: Iterable[str]) -> None:
        """See `Objects.ensure_buckets`."""
        for name in names:
            request: dict[str, Any] = {"Bucket": name}
            if self._region != "us-east-1":  # the one region that must not be named
                request["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
            with self._errors(f"create the bucket {name}"):
                try:
                    await self._client.head_bucket(Bucket=name)
                except ClientError as error:
                    if _status(error) != 404:
                        raise
                    try:
                        await self._client.create_bucket(**request)
                    except self._client.exceptions.BucketAlreadyOwnedByYou:
                        pass  # another process created it in between
                    except self._client.exceptions.BucketAlreadyExists:
                        await self._client.head_bucket(Bucket=name)  # ours too, or denied

    async def ping(self) -> None:
        """See `Objects.ping`."""
        with self._errors("reach the object store"):
            async with asyncio.timeout(PING_SECONDS):
                await self._client.list_buckets()

    async def _has_any(self, bucket: str, prefix: str) -> bool:
        with self._errors(f"list {bucket}/{prefix}"):
            page = await self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        return bool(page.get("Contents"))

    async def _writer(self, bucket: str, key: str) -> str | None:
        try:
            with self._errors(f"head {bucket}/{key}"):
                answer = await self._client.head_object(Bucket=bucket, Key=key)
        except ObjectMissing:  # deleted in between
            return None
        return answer["Metadata"].get(WRITER)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Turn what the S3 client raises into types of the service."""
        try:
            yield
        except ClientError as error:
            raise self._refused(what, _status(error), error.response["Error"]) from error
        except (ParamValidationError, ResponseParserError) as error:
            raise StorageError(f"cannot {what}: {error}", hint=ENDPOINT_HINT) from error
        except (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise StoreUnavailable(f"cannot {what} at {self._endpoint}: {reason}", hint=ENDPOINT_HINT) from error

    def _refused(self, what: str, status: int, answer: Mapping[str, Any]) -> StorageError:
        code = answer.get("Code") or str(status)
        message = f"cannot {what} at {self._endpoint}: {answer.get('Message') or 'refused'} [{code}]"
        if status == 412:
            return ObjectExists(message)
        if code in {"NoSuchKey", "NotFound", "404"}:
            return ObjectMissing(message)
        if code in DENIED:
            return StorageError(message, hint=CREDENTIALS_HINT)
        if status in {408, 429} or status >= 500 or code in TRANSIENT:
            return StoreUnavailable(message)
        if code == "NoSuchBucket":
            return StorageError(message, hint="the service creates its buckets at start: restart it")
        return StorageError(message)


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _listed(entry: Any) -> ObjectInfo:
    return ObjectInfo(
        key=entry["Key"],
        size=entry["Size"],
        etag=entry["ETag"].strip('"'),
        modified=entry["LastModified"].astimezone(UTC),
    )


@cache
def _session(access_key: str, secret_key: str, region: str) -> aioboto3.Session:
    # It reads all that is known of S3, which takes longer than most of what is asked of a store.
    return aioboto3.Session(access_key, secret_key, region_name=region)


def _info(key: str, answer: Any) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size=answer["ContentLength"],
        etag=answer["ETag"].strip('"'),
        modified=answer["LastModified"].astimezone(UTC),
        metadata={
            name: "" if value == EMPTY else unquote(value)
            for name, value in answer["Metadata"].items()
            if name != WRITER
        },
        content_type=answer.get("ContentType"),
        content_encoding=answer.get("ContentEncoding") or None,
    )


def _encoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata as headers can carry it: in ASCII, and without blanks, which signing and proxies fold."""
    for name in metadata:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            raise StorageError(
                f"metadata name {name!r} would not survive", field=name, hint="use a-z, 0-9, - and _ only"
            )
    encoded = {name: quote(value, safe=PLAIN) or EMPTY for name, value in metadata.items()}
    size = sum(len(name) + len(value) for name, value in encoded.items())
    if size > METADATA_LIMIT:
        raise StorageError(
            f"metadata takes {size} bytes once encoded, the limit of S3 is {METADATA_LIMIT}",
            field=max(encoded, key=lambda name: len(encoded[name])),
            hint="put what is long into the body",
        )
    return encoded
