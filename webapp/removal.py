"""Deleting what the service keeps: what is lost by it, what brings it back, and what is not deleted.

The copy must not come to differ from what it says of itself. So a part that another part names, and would miss
without a word, stays: the newest version of a month, a model that serves. A whole layer may go.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Final

from models.registry import BUCKET as MODELS
from models.registry import Registry
from streams.extent import KEY as EXTENT
from streams.storage.bronze import BUCKET as BRONZE
from streams.storage.objects import DELETE_LIMIT, ObjectInfo, Objects
from streams.storage.silver import BUCKET as SILVER
from streams.storage.silver import Silver


@dataclass(frozen=True)
class Consequence:
    """What deleting something means: what is `lost`, and what `heals` it.

    Where `refused` says why it is not deleted, `heals` says what to do instead.
    """

    lost: str
    heals: str
    refused: str | None = None


@dataclass(frozen=True)
class Measure:
    """How much there is to delete; `size` is in bytes."""

    objects: int = 0
    size: int = 0


_REFETCH: Final = (
    "A backfill fetches again what the portal holds now. A page that waits to be merged becomes a dead letter: ask for "
    "its run again."
)
_REBUILD: Final = (
    "crash-stream rebuild silver computes every month from Bronze. Do it at once: until then a page that comes is "
    "merged into an empty month, and Gold loses what that page does not say of its crashes."
)
_RETRAIN: Final = "crash-stream train makes a new model, with --promote always to let it serve."


def consequence(bucket: str, prefix: str, serving: Collection[str] = ()) -> Consequence:
    """What deleting all of `bucket` (`prefix` is "") or a folder of it means; `serving` are the models that serve."""
    folder = prefix.split("/")
    match bucket, folder:
        case "bronze", [""]:
            return Consequence(
                "Every page as the portal sent it, what rows were before they were amended, and the last step of their "
                "lineage. Silver cannot be computed again without them. Silver, Gold and the extent of the copy stay.",
                _REFETCH,
            )
        case "bronze", _:
            return Consequence(
                "These pages as the portal sent them, and the last step of the lineage of their rows. Silver and Gold "
                "stay, and a rebuild keeps the rows that Silver has of them.",
                _REFETCH,
            )
        case "silver", [""]:
            return Consequence(
                "Every version of every month, and with them the past. Each month keeps one version without a row, so "
                "that its numbers go on. Gold stays as it is until it is rebuilt or loaded.",
                _REBUILD,
            )
        case "silver", [month, "deltas", ""] if month.startswith("month="):
            return Consequence("Nothing: it is what changed between versions.", "Gold loads the whole month instead.")
        case "silver", [month, *_] if month.startswith("month="):
            name = month.removeprefix("month=")
            return Consequence(
                "",
                f"crash-stream rebuild silver --month {name} computes it again; to begin anew, delete the whole bucket",
                f"the newest version of {name} is the month itself: Gold would go on without it and never be told",
            )
        case "silver", ["audits", *_]:
            return Consequence(
                "What audits have decided. Their results stay in Gold.", "An audit that is under way begins anew."
            )
        case "models", [""]:
            return Consequence(
                "Every model with its card, which of them served when, and the forecasts kept. No model serves. The "
                "scores in Gold stay.",
                _RETRAIN,
            )
        case "models", ["serving", *_]:
            return Consequence(
                "", "promote another model, or delete the whole bucket", "it says which models serve, now and before"
            )
        case "models", ["versions", version, *_] if version in serving or (not version and serving):
            served = version or ", ".join(sorted(serving))
            return Consequence("", "promote another model first", f"{served} serves: every score is made by it")
        case "models", ["versions", *_]:
            return Consequence("These models with their cards. They can never serve again.", _RETRAIN)
        case "models", ["forecasts", *_]:
            return Consequence(
                "Forecasts as they were made. Gold keeps the newest one.", "The next one comes within a day."
            )
        case _:
            return Consequence("What is in there. The service keeps nothing of its own under this name.", "Nothing.")


class Removal:
    """Measures and deletes folders and whole buckets. A bucket itself stays: the service writes to it."""

    def __init__(self, objects: Objects, silver: Silver, registry: Registry) -> None:
        self._objects = objects
        self._silver = silver
        self._registry = registry

    async def consequence(self, bucket: str, prefix: str) -> Consequence:
        """See `consequence`; that of Silver depends on what Bronze has, and that of models on which of them serve."""
        if bucket == MODELS and prefix:
            return consequence(bucket, prefix, (await self._registry.serving()).values())
        if bucket == SILVER and not prefix and not await self._archived():
            return Consequence(
                "",
                "ask for a backfill, and wait until it has ended",
                "Bronze has no page from which Silver could be computed again",
            )
        return consequence(bucket, prefix)

    async def measure(self, bucket: str, prefix: str) -> Measure:
        """How much is there now."""
        count = size = 0
        async for info in self._deletable(bucket, prefix):
            count, size = count + 1, size + info.size
        return Measure(count, size)

    async def remove(self, bucket: str, prefix: str) -> Measure:
        """Delete it; returns how much that was. Whatever its consequence is."""
        if bucket == SILVER and not prefix:
            return await self._remove_silver()
        count = size = 0
        batch: list[str] = []
        async for info in self._deletable(bucket, prefix):
            count, size = count + 1, size + info.size
            batch.append(info.key)
            if len(batch) == DELETE_LIMIT:
                await self._objects.delete(bucket, batch)
                batch = []
        await self._objects.delete(bucket, batch)
        return Measure(count, size)

    async def _remove_silver(self) -> Measure:
        measure = await self.measure(SILVER, "")
        for month in await self._silver.months():
            await self._silver.empty(month)
        others = [info.key async for info in self._objects.list(SILVER) if not info.key.startswith("month=")]
        await self._objects.delete(SILVER, others)
        return measure

    async def _archived(self) -> bool:
        async for _ in self._deletable(BRONZE, ""):
            return True
        return False

    async def _deletable(self, bucket: str, prefix: str) -> AsyncIterator[ObjectInfo]:
        async for info in self._objects.list(bucket, prefix):
            # The extent is a setting: without it the next start would copy another span.
            if (bucket, info.key) != (BRONZE, EXTENT):
                yield info
