"""Bronze: pages as the portal sent them, byte for byte, with what was asked for as metadata."""

import asyncio
import gzip
import hashlib
import json
import zlib
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from streams.domain.pages import read_page
from streams.domain.schemas import TABLES
from streams.errors import MalformedPage, ObjectExists
from streams.records import DATASETS, CrashPage, Dataset, PollRequest
from streams.socrata.answer import Answer
from streams.storage.objects import ObjectInfo, Objects

BUCKET: Final = "bronze"

# Characters of months in the metadata, which has 2 KB in all; a page of more months is to be looked into.
_MOST_MONTHS: Final = 512

# Objects asked about at a time.
_AT_ONCE: Final = 16


@dataclass(frozen=True)
class Archived:
    """A page of the archive; `months` are those of its rows, or None where only its body tells."""

    key: str
    dataset: Dataset
    months: tuple[str, ...] | None


class Bronze:
    """The archive of raw pages."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def archive(
        self,
        page: CrashPage | PollRequest,
        answer: Answer,
        rows: int,
        months: Iterable[str] | None = None,
    ) -> str:
        """Keep the answer as received and return its key; `months` are the crash months of its rows.

        The key is a function of the request and of what was answered (decompressed: a gzip header carries a time),
        so an attempt repeated, or a window asked for twice without news, leaves one object.
        """
        key = await asyncio.to_thread(_key, page, answer)
        metadata = {
            "request": answer.request,
            "headers": json.dumps(answer.headers),
            "rows": str(rows),
            "sha256": await asyncio.to_thread(lambda: hashlib.sha256(answer.raw).hexdigest()),
            **_contents(page.dataset, months),
        }
        with suppress(ObjectExists):  # the same page, archived before
            await self._objects.put(
                BUCKET,
                key,
                answer.raw,
                metadata=metadata,
                content_type="application/json",
                content_encoding=answer.encoding,
                if_absent=True,
            )
        return key

    async def keep(self, prefix: str, dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> str:
        """Keep rows of our own making, tombstones, as a page like the portal's, and return its key.

        The key is a function of `rows`: `{prefix}/{dataset}/<sha>.json`. Raises `MalformedPage` when they are no rows.
        """
        body = await asyncio.to_thread(lambda: json.dumps(rows, ensure_ascii=False, sort_keys=True).encode())
        found = await asyncio.to_thread(read_page, body, TABLES[dataset])
        digest = hashlib.sha256(body).hexdigest()
        key = f"{prefix}/{dataset}/{digest[:32]}.json"
        metadata = {"request": "", "rows": str(found.size), "sha256": digest, **_contents(dataset, found.months)}
        with suppress(ObjectExists):  # the same rows, kept before
            await self._objects.put(
                BUCKET, key, body, metadata=metadata, content_type="application/json", if_absent=True
            )
        return key

    async def pages(self, known: Container[str] = ()) -> list[Archived]:
        """What is in the archive beside the pages of these keys, in the order in which it came."""
        listed = [
            (info, dataset)
            async for info in self._objects.list(BUCKET)
            if info.key not in known and (dataset := _dataset(info.key))
        ]
        listed.sort(key=lambda page: (page[0].modified, page[0].key))
        found: list[Archived] = []
        for start in range(0, len(listed), _AT_ONCE):
            batch = listed[start : start + _AT_ONCE]
            found += await asyncio.gather(*(self._described(info, dataset) for info, dataset in batch))
        return found

    async def _described(self, info: ObjectInfo, dataset: Dataset) -> Archived:
        months = (await self._objects.head(BUCKET, info.key)).metadata.get("months")
        return Archived(info.key, dataset, None if months is None else tuple(filter(None, months.split(","))))

    async def read(self, key: str) -> bytes:
        """The body of an archived page, decompressed."""
        raw, info = await self._objects.get(BUCKET, key)
        if info.content_encoding is None:
            return raw
        try:
            return await asyncio.to_thread(gzip.decompress, raw)
        except (OSError, EOFError, zlib.error) as error:
            raise MalformedPage(f"the archived page {key} does not decompress: {error}") from None


def _dataset(key: str) -> Dataset | None:
    """The dataset that a page's key names as one of its folders; None where the object is no page."""
    folders = key.split("/")[:-1]
    return next((dataset for dataset in DATASETS if dataset in folders), None)


def _contents(dataset: Dataset, months: Iterable[str] | None) -> dict[str, str]:
    """Metadata that tells what is in a page without a look into it."""
    listed = ",".join(months) if months is not None else None
    if listed is None or len(listed) > _MOST_MONTHS:
        return {"dataset": dataset}
    return {"dataset": dataset, "months": listed}


def _key(page: CrashPage | PollRequest, answer: Answer) -> str:
    digest = hashlib.sha256(answer.request.encode() + b"\n")
    digest.update(answer.body)
    suffix = ".json.gz" if answer.encoding else ".json"
    window, _ = page.page_id.rsplit("/", 1)
    return f"{window}/{digest.hexdigest()[:32]}{suffix}"
