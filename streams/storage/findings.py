"""Findings of audits: what was decided about a window, kept before anything is done about it.

An audit that was interrupted, or whose message comes again, goes on from what it has decided, and says and does the
same: by then its own repairs may have changed what there is to be found.
"""

from contextlib import suppress
from typing import Final

from streams.errors import ObjectExists
from streams.records import Audited, CrashPage, Record
from streams.storage.objects import Objects
from streams.storage.silver import BUCKET

_FOLDER: Final = "audits"


class Finding(Record):
    """What an audit found in a window of one dataset, and what follows from it.

    `tombstones` is the Bronze object of those that the month gets; `pages` are asked for again.
    """

    audited: Audited
    tombstones: str | None = None
    pages: tuple[CrashPage, ...] = ()


class Findings:
    """Keeps the findings of audits, under names that an audit gives them."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def names(self, run_id: str) -> set[str]:
        """Names of what an audit has found so far."""
        folder = f"{_FOLDER}/{run_id}/"
        return {info.key.removeprefix(folder) async for info in self._objects.list(BUCKET, folder)}

    async def read(self, run_id: str, name: str) -> Finding:
        """A finding. Raises `ObjectMissing`."""
        body, _ = await self._objects.get(BUCKET, f"{_FOLDER}/{run_id}/{name}")
        return Finding.decode(body)

    async def keep(self, run_id: str, name: str, finding: Finding) -> Finding:
        """Keep a finding, unless there is one of that name; returns the one that counts."""
        with suppress(ObjectExists):
            await self._objects.put(
                BUCKET, f"{_FOLDER}/{run_id}/{name}", finding.encode(), content_type="application/json", if_absent=True
            )
            return finding
        return await self.read(run_id, name)
