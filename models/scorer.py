"""The models that serve in this process, kept up to date, and what they say of crashes."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import polars as pl
import structlog

from models.features import KEY, build
from models.registry import Registry
from streams.domain.clean import GoldFrames
from streams.errors import CrashStreamError, ModelError, ModelMissing
from streams.listener import beats
from streams.records import Target
from streams.storage.gold.scores import CONTRIBUTIONS, SCHEMA
from streams.topics import MODEL_CHANGES

if TYPE_CHECKING:
    from models.model import Model

log = structlog.get_logger()

# How often a process looks what serves, whatever it hears.
LOOK_SECONDS: Final = 60.0
# Features whose contributions are kept with a score: those that count most.
EXPLAINED: Final = 5


class Scorer:
    """Holds the serving model of each target. Models are replaced whole: whoever has got one can go on with it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._models: Mapping[Target, Model] = MappingProxyType({})

    @property
    def models(self) -> "Mapping[Target, Model]":
        """The serving models, as they are now."""
        return self._models

    def model(self, target: Target) -> "Model":
        """The serving model. Raises `ModelMissing` while there is none."""
        try:
            return self._models[target]
        except KeyError:
            raise ModelMissing(
                f"no model serves for {target} yet",
                field="target",
                hint="one is trained by itself once enough outcomes are known; `crash-stream train` asks for one now",
            ) from None

    async def refresh(self) -> bool:
        """Load what serves now; returns whether that is something else than before.

        A model that cannot be loaded leaves the one before it in its place.
        """
        before = self._models
        models = {}
        for target, version in (await self._registry.serving()).items():
            held = before.get(target)
            try:
                models[target] = held if held and held.version == version else await self._registry.load(version)
            except ModelError as error:
                log.error("model not served", target=target, version=version, reason=str(error))
                if held:
                    models[target] = held
        self._models = MappingProxyType(models)
        versions = {target: model.version for target, model in models.items()}
        changed = versions != {target: model.version for target, model in before.items()}
        if changed:
            log.info("models serve", **versions)
        return changed

    async def follow(self, bootstrap: str, changed: Callable[[], None] = lambda: None) -> None:
        """Keep up with promotions for as long as the process runs; `changed` is called after each that came through."""
        async with aclosing(beats(bootstrap, MODEL_CHANGES, LOOK_SECONDS)) as looks:
            async for _ in looks:
                try:
                    if await self.refresh():
                        changed()
                except CrashStreamError as error:  # the store is away: it is looked at again
                    log.warning("models not looked at", reason=str(error))

    async def score(
        self, frames: GoldFrames, targets: Collection[Target] | None = None, explain_since: datetime | None = None
    ) -> pl.DataFrame:
        """Scores (`SCHEMA`) of the crashes by the serving models, or by those of `targets`, off the event loop.

        Those of crashes from `explain_since` on come with contributions.
        """
        models = [model for target, model in self._models.items() if targets is None or target in targets]
        return await asyncio.to_thread(_score, models, frames, explain_since)


def _score(models: "Collection[Model]", frames: GoldFrames, explain_since: datetime | None) -> pl.DataFrame:
    features = build(frames.crashes, frames.vehicles, frames.people)
    recent = pl.col("crash_date") >= (explain_since or datetime.max)
    explained = features[KEY].is_in(frames.crashes.filter(recent)[KEY].implode())
    parts = [SCHEMA.to_frame()]
    for model in models:
        for rows, explain in ((features.filter(explained), EXPLAINED), (features.filter(~explained), 0)):
            if rows.is_empty():
                continue
            scores = model.score(rows, explain).with_columns(
                pl.lit(model.target).alias("target"),
                pl.lit(model.version).alias("model_version"),
                pl.lit(model.tier).alias("tier"),
            )
            if not explain:
                scores = scores.with_columns(pl.lit(None, CONTRIBUTIONS).alias("contributions"))
            parts.append(scores.select(SCHEMA.names()).cast(SCHEMA))
    return pl.concat(parts)
