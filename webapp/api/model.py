"""`/api/model/info|versions|promotions|promote|rollback`: which models there are, what they know, which serve."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from models.evaluate import Evaluation, Metric
from models.features import FEATURES, Kind
from models.registry import CARD, EVALUATION, Meta, Origin
from streams.records import TARGETS, Algorithm, Promotion, Target, Tier
from webapp.errors import ERRORS, ErrorEnvelope
from webapp.models import Models
from webapp.times import Time

if TYPE_CHECKING:
    from models.model import Model

VERSION: Final = r"^[\w-]{1,200}$"
Version = Annotated[
    str, Path(pattern=VERSION, examples=["injury-report-lightgbm-20260601t030000-0f6c1f0e"], description="a version")
]


class FeatureOfModel(BaseModel):
    """What a model looks at."""

    name: str
    tier: Tier = Field(description="the first tier that knows it")
    kind: Kind
    source: str = Field(description="columns of Gold that it is made of")
    meaning: str
    missing: str = Field(description="what becomes of it where it is not known")
    categories: list[str] | None = Field(
        description="of a category, those that the model tells apart, or pools as rare"
    )


class DescribedModel(BaseModel):
    """A model: what it learnt from, what it looks at, and how good it was on crashes it had not seen."""

    version: str
    target: Target
    tier: Tier
    algorithm: Algorithm
    threshold: float = Field(description="probabilities from here on have the label true")
    data_from: Time = Field(description="the first crash it learnt from, Chicago's time")
    data_through: Time = Field(description="the last one")
    trained_at: Time
    metrics: dict[str, Metric] = Field(description="by name, each with its 95 % interval")
    features: list[FeatureOfModel]
    origin: Origin = Field(description="the training that made it")


class Serving(BaseModel):
    """What serves for a target; `model` is null where nothing does yet, and `hint` says what to do."""

    target: Target
    promotion: Promotion | None
    model: DescribedModel | None
    hint: str | None


class ModelInfo(BaseModel):
    """What serves, by target."""

    targets: list[Serving]


class ListedModel(BaseModel):
    """A version in short; `metrics` are values alone."""

    version: str
    target: Target
    tier: Tier
    algorithm: Algorithm
    threshold: float
    trained_at: Time
    data_through: Time
    metrics: dict[str, float]
    serving: bool


class ListedModels(BaseModel):
    """Versions, the newest first."""

    versions: list[ListedModel]


class Promotions(BaseModel):
    """What came to serve for a target, and by whose decision; the last one first."""

    promotions: list[Promotion]


class Promote(BaseModel):
    """Which version is to serve."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"version": "injury-report-lightgbm-20260601t030000-0f6c1f0e"}]}
    )

    version: str = Field(pattern=VERSION)


class RollBack(BaseModel):
    """For which target the version before is to serve again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"target": "injury"}]})

    target: Target


def routes(models: Models, may_write: Callable[..., None]) -> APIRouter:
    """The routes about models; ``may_write`` is the dependency that checks the token."""
    router = APIRouter(prefix="/api/model", tags=["model"], responses=ERRORS)
    registry = models.registry
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ErrorEnvelope} for code in (401, 403)}
    absent: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope, "description": "there is no such model"}}

    @router.get("/info")
    async def info() -> ModelInfo:
        """The model that serves for each target: what it looks at, and how good it is."""
        promotions = await registry.promotions()
        return ModelInfo(targets=[await _serving(models, target, promotions.get(target)) for target in TARGETS])

    @router.get("/versions")
    async def versions(
        target: Annotated[Target | None, Query(description="only models of this target")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> ListedModels:
        """The models that there are, the newest first."""
        serving = set((await registry.serving()).values())
        found = [meta for meta in await registry.list() if target in (None, meta.target)]
        return ListedModels(versions=[_listed(meta, serving) for meta in found[:limit]])

    @router.get("/versions/{version}", responses=absent)
    async def version(version: Version) -> DescribedModel:
        """One model, with its features and metrics."""
        return await _described(models, version)

    @router.get("/versions/{version}/card", responses={**absent, 200: {"content": {"text/markdown": {}}}})
    async def card(version: Version) -> Response:
        """Its card, in Markdown: what it is for, how it was made, and where it fails."""
        return Response(await registry.document(version, CARD), media_type="text/markdown; charset=utf-8")

    @router.get("/promotions")
    async def promotions(
        target: Annotated[Target, Query(description="for which target")] = "injury",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Promotions:
        """What has come to serve, when, and by whom; the last one first."""
        return Promotions(promotions=list(await registry.history(target))[: -limit - 1 : -1])

    @router.get("/versions/{version}/evaluation", responses={**absent, 200: {"model": Evaluation}})
    async def evaluation(version: Version) -> Response:
        """Its evaluation on crashes it had not seen: metrics, curves, confusion matrix, months and groups."""
        return Response(await registry.document(version, EVALUATION), media_type="application/json")

    @router.post("/promote", dependencies=[Depends(may_write)], responses={**refused, **absent})
    async def promote(wanted: Promote) -> Promotion:
        """Let a version serve from now on. Scorers take it up without a restart; history is scored again in a while."""
        promotion = await registry.promote(wanted.version, "api")
        await models.scorer.refresh()
        return promotion

    @router.post("/rollback", dependencies=[Depends(may_write)], responses=refused)
    async def roll_back(wanted: RollBack) -> Promotion:
        """Let the version serve again that did before the one which does now."""
        promotion = await registry.roll_back(wanted.target, "api")
        await models.scorer.refresh()
        return promotion

    return router


async def _serving(models: Models, target: Target, promotion: Promotion | None) -> Serving:
    if promotion is None:
        hint = "one is trained by itself once enough outcomes are known; POST /api/model/train asks for one now"
        return Serving(target=target, promotion=None, model=None, hint=hint)
    described = await _described(models, promotion.version)
    return Serving(target=target, promotion=promotion, model=described, hint=None)


async def _described(models: Models, version: str) -> DescribedModel:
    meta, model, evaluation = await asyncio.gather(
        models.registry.describe(version),
        models.find(None, version),
        models.registry.document(version, EVALUATION),
    )
    return DescribedModel(
        **meta.model_dump(include=set(DescribedModel.model_fields) - {"metrics", "features"}),
        metrics=from_json(evaluation)["metrics"],
        features=_features(model),
    )


def _features(model: "Model") -> list[FeatureOfModel]:
    parts = {part.name: part for part in model.encoding.parts}
    chosen = set(model.features)
    described = []
    for feature in FEATURES:
        if feature.name in chosen:
            part = parts.get(feature.name)
            categories = [*part.levels, *part.rare] if part and feature.kind == "category" else None
            described.append(
                FeatureOfModel(
                    name=feature.name,
                    tier=feature.tier,
                    kind=feature.kind,
                    source=feature.source,
                    meaning=feature.meaning,
                    missing=feature.missing,
                    categories=categories,
                )
            )
    return described


def _listed(meta: Meta, serving: set[str]) -> ListedModel:
    fields = meta.model_dump(include=set(ListedModel.model_fields))
    return ListedModel(**fields, serving=meta.version in serving)
