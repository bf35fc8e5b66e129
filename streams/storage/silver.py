"""Silver: each crash month as a chain of immutable versions, and what changed from one to the next.

A version's number is its key, and it is written only where there is none of that number yet. That conditional put
is the arbiter between workers: one whose view of the month is out of date, because a rebalance left it with an old
table or a kill with none, cannot overwrite or fork the chain; it is told, and goes on from the newest version.
"""

import asyncio
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

import polars as pl

from streams.domain.expiry import expired_deltas, expired_versions
from streams.domain.merge import empty_month
from streams.domain.schemas import CRASHES, GONE, TABLES, silver_schema
from streams.errors import ObjectExists, ObjectMissing, RequestError
from streams.records import DATASETS, Dataset
from streams.storage.objects import ObjectInfo, Objects

BUCKET: Final = "silver"

# Stands for the page that caused a version, where somebody deleted what was before.
DELETED: Final = "deleted"

# Months kept in memory, those used last: a page of a month often follows another.
_KEPT: Final = 8

# Objects asked about at a time.
_AT_ONCE: Final = 16


@dataclass(frozen=True)
class Head:
    """The newest version of a month.

    `version` counts every write; `content` is the last version at which content changed, `base` the one before
    it, and `delta_key` holds the crashes that changed between the two. Version 0 is the month without a row.
    """

    month: str
    version: int = 0
    content: int = 0
    base: int = 0
    delta_key: str = ""

    @property
    def key(self) -> str:
        """The object that holds the month."""
        return _version_key(self.month, self.version)


class Version(NamedTuple):
    """A version that can be read.

    `content` is the last version up to it at which content changed. `rows` are by dataset, without tombstones; None
    where the version does not say, having been written before versions did. `page` is the page that caused it.
    """

    version: int
    content: int
    written_at: datetime
    rows: Mapping[Dataset, int] | None
    page: str
    size: int


class Silver:
    """Reads and appends versions of months."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._kept: dict[str, tuple[str, pl.DataFrame]] = {}

    async def read(self, key: str) -> pl.DataFrame:
        """A month, or a delta, in Silver's schema. Raises `ObjectMissing`."""
        body, _ = await self._objects.get(BUCKET, key)
        return await asyncio.to_thread(pl.read_parquet, body, schema=silver_schema())

    async def month(self, head: Head) -> pl.DataFrame:
        """All rows of a month at `head`."""
        if not head.version:
            return empty_month()
        key, month = self._kept.get(head.month, ("", empty_month()))
        if key != head.key:
            month = await self.read(head.key)
        self._keep(head, month)
        return month

    def _keep(self, head: Head, month: pl.DataFrame) -> None:
        self._kept.pop(head.month, None)
        self._kept[head.month] = (head.key, month)
        if len(self._kept) > _KEPT:
            self._kept.pop(next(iter(self._kept)))

    async def append(self, head: Head, page_id: str, month: pl.DataFrame, delta: pl.DataFrame) -> Head:
        """Write the version after `head`; raises `ObjectExists` when another writer was first.

        The delta goes first, under a key of its own input: a version never names a delta that is not there.
        A number that is free because its version has expired is no place to go on from: there is a newer one then.
        """
        version = head.version + 1
        if delta.is_empty():
            after = Head(head.month, version, head.content, head.base, head.delta_key)
        else:
            digest = sha256(f"{page_id}\n{head.version}".encode()).hexdigest()[:16]
            delta_key = f"month={head.month}/deltas/{version:08d}-{digest}.parquet"
            await self._objects.put(BUCKET, delta_key, await asyncio.to_thread(_parquet, delta))
            after = Head(head.month, version, version, head.content, delta_key)
        await self._objects.put(
            BUCKET,
            after.key,
            await asyncio.to_thread(_parquet, month),
            metadata={name: str(value) for name, value in asdict(after).items()}
            | {"page": page_id}
            | {dataset: str(rows) for dataset, rows in live_rows(month).items()},
            if_absent=True,
        )
        async for newer in self._objects.list(BUCKET, f"month={head.month}/versions/", start_after=after.key):
            raise ObjectExists(f"{newer.key} is newer than {after.key}")
        self._keep(after, month)
        return after

    async def months(self) -> list[str]:
        """Every month that has a version, in order."""
        return sorted({_month(info.key) async for info in self._objects.list(BUCKET, "month=") if _is_version(info)})

    async def head(self, month: str) -> Head:
        """The newest version of a month as the store has it, whatever anybody remembers."""
        newest = None
        async for info in self._objects.list(BUCKET, f"month={month}/versions/"):
            newest = info.key
        if newest is None:
            return Head(month)
        metadata = (await self._objects.head(BUCKET, newest)).metadata
        try:
            return Head(
                month,
                int(metadata["version"]),
                int(metadata["content"]),
                int(metadata["base"]),
                metadata["delta_key"],
            )
        except (KeyError, ValueError):
            raise ObjectMissing(f"{newest} does not say which version it is") from None

    async def newest(self) -> dict[str, Version]:
        """The newest version of every month, in order of months."""
        found: dict[str, ObjectInfo] = {}
        async for info in self._objects.list(BUCKET, "month="):
            if _is_version(info) and info.key > found.setdefault(_month(info.key), info).key:
                found[_month(info.key)] = info
        newest = await self._described([found[month] for month in sorted(found)])
        return {month: version for month, version in zip(sorted(found), newest, strict=True) if version}

    async def history(self, month: str, limit: int | None = None) -> list[Version]:
        """The versions of a month that can be read, or the newest `limit` of them, oldest first.

        Raises `RequestError` for a month without any.
        """
        described = await self._described(list((await self._versions(month)).values())[-(limit or 0) :])
        return [version for version in described if version]

    async def find(self, month: str, *, version: int | None = None, at: datetime | None = None) -> int:
        """The version of that number, or the last one written up to `at`; the newest where neither is given.

        Raises `RequestError` naming what is not there (any more), and which versions are.
        """
        versions = await self._versions(month)
        oldest, newest = min(versions), max(versions)
        if version is not None:
            if version not in versions:
                gone = "has expired" if 0 < version < newest else "does not exist"
                raise _no_such("version", f"version {version} of {month} {gone}", versions)
            return version
        if at is None:
            return newest
        if at < versions[oldest].modified:
            begins = f"its first version is of {versions[oldest].modified.isoformat()}"
            if oldest > 1:
                begins = f"what was before {versions[oldest].modified.isoformat()} has expired"
            raise _no_such("at", f"{month} cannot be read as of {at.isoformat()}: {begins}", versions)
        return max(number for number, info in versions.items() if info.modified <= at)

    async def at(self, month: str, *, version: int | None = None, at: datetime | None = None) -> pl.DataFrame:
        """The month as `find` finds it. Raises `RequestError`."""
        found = await self.find(month, version=version, at=at)
        try:
            return await self.read(_version_key(month, found))
        except ObjectMissing:  # expired since it was found
            raise _no_such("version", f"version {found} of {month} has expired", await self._versions(month)) from None

    async def expire(self, month: str, cutoff: datetime) -> int:
        """Delete what of a month nobody needs who asks for no time before `cutoff`; returns how many objects."""
        head = await self.head(month)
        written = {
            _number(info.key): info.modified
            async for info in self._objects.list(BUCKET, f"month={month}/versions/")
            # What came since the head was read is not judged.
            if _number(info.key) <= head.version
        }
        deltas = {info.key: info.modified async for info in self._objects.list(BUCKET, f"month={month}/deltas/")}
        versions = [_version_key(month, number) for number in expired_versions(written, head.content, cutoff)]
        keys = [*versions, *expired_deltas(deltas, head.delta_key, cutoff)]
        await self._objects.delete(BUCKET, keys)
        return len(keys)

    async def empty(self, month: str) -> None:
        """Delete every version of a month but for a new one without a row, from which the numbers go on.

        Numbers that began anew would be old to Gold. Its content is not another: Gold keeps the rows that it has.
        """
        while True:
            head = await self.head(month)
            try:
                emptied = await self.append(head, DELETED, empty_month(), empty_month())
                break
            except ObjectExists:  # a page was merged meanwhile
                continue
        listed = [info.key async for info in self._objects.list(BUCKET, f"month={month}/")]
        # What came since goes on from the empty version.
        old = [key for key in listed if _number(key) < emptied.version]
        await self._objects.delete(BUCKET, old)

    async def _versions(self, month: str) -> dict[int, ObjectInfo]:
        listed = self._objects.list(BUCKET, f"month={month}/versions/")
        found = {_number(info.key): info async for info in listed}
        if not found:
            held = ", ".join(await self.months()) or "none yet"
            raise RequestError(f"Silver has no month {month}", field="month", hint=f"there are: {held}")
        return dict(sorted(found.items()))

    async def _described(self, listed: list[ObjectInfo]) -> list[Version | None]:
        turn = asyncio.Semaphore(_AT_ONCE)

        async def describe(info: ObjectInfo) -> Version | None:
            async with turn:
                try:
                    metadata = (await self._objects.head(BUCKET, info.key)).metadata
                except ObjectMissing:  # expired since it was listed
                    return None
            number = _number(info.key)
            told = all(dataset in metadata for dataset in DATASETS)
            rows = {dataset: int(metadata[dataset]) for dataset in DATASETS} if told else None
            content = int(metadata.get("content", number))
            return Version(number, content, info.modified, rows, metadata.get("page", ""), info.size)

        return await asyncio.gather(*map(describe, listed))


def live_rows(month: pl.DataFrame) -> dict[Dataset, int]:
    """Rows by dataset of a month in Silver's schema, without tombstones."""

    def rows(dataset: Dataset) -> pl.Series:
        if TABLES[dataset] is CRASHES:
            return month["crash"].drop_nulls()
        return month[dataset].explode(empty_as_null=False, keep_nulls=False)

    return {dataset: int(rows(dataset).struct.field(GONE).is_null().sum()) for dataset in DATASETS}


def _no_such(field: str, message: str, versions: Mapping[int, ObjectInfo]) -> RequestError:
    oldest, newest = min(versions), max(versions)
    there = f"versions {oldest} to {newest}" if newest > oldest else f"version {newest}"
    since = versions[oldest].modified.isoformat(timespec="seconds")
    return RequestError(message, field=field, hint=f"{there} can be read, the oldest of them of {since}")


def _is_version(info: ObjectInfo) -> bool:
    return "/versions/" in info.key


def _month(key: str) -> str:
    return key.split("/")[0].removeprefix("month=")


def _number(key: str) -> int:
    """The number of a version, or of the version that a delta leads to."""
    return int(key.rsplit("/", 1)[-1].removesuffix(".parquet").split("-")[0])


def _version_key(month: str, version: int) -> str:
    return f"month={month}/versions/{version:08d}.parquet"


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1)  # the next levels only take longer
    return buffer.getvalue()
