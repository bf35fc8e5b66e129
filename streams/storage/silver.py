"""Silver: each crash month as a chain of immutable versions, and what changed from one to the next.

A version's number is its key, and it is written only where there is none of that number yet. That conditional put
is the arbiter between workers: one whose view of the month is out of date, because a rebalance left it with an old
table or a kill with none, cannot overwrite or fork the chain; it is told, and goes on from the newest version.
"""

import asyncio
import io
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

import polars as pl

from streams.domain.merge import empty_month
from streams.domain.schemas import silver_schema
from streams.errors import ObjectMissing
from streams.storage.objects import Objects

BUCKET: Final = "silver"


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


class Silver:
    """Reads and appends versions of months."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def read(self, key: str) -> pl.DataFrame:
        """A month, or a delta, in Silver's schema. Raises `ObjectMissing`."""
        body, _ = await self._objects.get(BUCKET, key)
        return await asyncio.to_thread(pl.read_parquet, body, schema=silver_schema())

    async def month(self, head: Head) -> pl.DataFrame:
        """All rows of a month at `head`."""
        return await self.read(head.key) if head.version else empty_month()

    async def append(self, head: Head, page_id: str, month: pl.DataFrame, delta: pl.DataFrame) -> Head:
        """Write the version after `head`; raises `ObjectExists` when another writer was first.

        The delta goes first, under a key of its own input: a version never names a delta that is not there.
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
            metadata={name: str(value) for name, value in asdict(after).items()} | {"page": page_id},
            if_absent=True,
        )
        return after

    async def months(self) -> list[str]:
        """Every month that has a version, in order."""
        keys = [info.key async for info in self._objects.list(BUCKET, "month=")]
        return sorted({key.split("/")[0].removeprefix("month=") for key in keys if "/versions/" in key})

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


def _version_key(month: str, version: int) -> str:
    return f"month={month}/versions/{version:08d}.parquet"


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
