"""Bronze: pages as the portal sent them, byte for byte, with what was asked for as metadata."""

import asyncio
import gzip
import hashlib
import json
import zlib
from contextlib import suppress
from typing import Final

from streams.errors import MalformedPage, ObjectExists
from streams.records import CrashPage
from streams.socrata.client import Answer
from streams.storage.objects import Objects

BUCKET: Final = "bronze"


class Bronze:
    """The archive of raw pages."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def archive(self, page: CrashPage, answer: Answer, body: bytes, rows: int) -> str:
        """Keep the answer as received and return its key.

        The key is a function of the request and of what was answered (decompressed: a gzip header carries a time),
        so an attempt repeated, or a window asked for twice without news, leaves one object.
        """
        key = await asyncio.to_thread(_key, page, answer, body)
        metadata = {
            "request": answer.request,
            "headers": json.dumps(answer.headers),
            "rows": str(rows),
            "sha256": await asyncio.to_thread(lambda: hashlib.sha256(answer.raw).hexdigest()),
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

    async def read(self, key: str) -> bytes:
        """The body of an archived page, decompressed."""
        raw, info = await self._objects.get(BUCKET, key)
        if info.content_encoding is None:
            return raw
        try:
            return await asyncio.to_thread(gzip.decompress, raw)
        except (OSError, EOFError, zlib.error) as error:
            raise MalformedPage(f"the archived page {key} does not decompress: {error}") from None


def _key(page: CrashPage, answer: Answer, body: bytes) -> str:
    digest = hashlib.sha256(answer.request.encode() + b"\n")
    digest.update(body)
    suffix = ".json.gz" if answer.encoding else ".json"
    return f"{page.dataset}/{page.start}_{page.end}/{digest.hexdigest()[:32]}{suffix}"
