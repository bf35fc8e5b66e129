"""`GET /api/model/drift|quality|importance`: do crashes look as in training, how good were scores, what counts most?"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import polars as pl
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from models.features import KEY, build
from streams.domain.clean import GoldFrames
from streams.errors import ModelMissing, RequestError
from streams.storage.gold.client import GoldClient
from webapp.api.answers import TABULAR, as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.api.model import VERSION
from webapp.errors import ERRORS, ErrorEnvelope
from webapp.models import Models
from webapp.queries import SQL

if TYPE_CHECKING:
    from models.model import Model

_MOST: Final = 100_000
# Crashes that importance is measured on: of a forest, that takes some seconds.
_SAMPLE: Final = 500
# Versions whose importance is kept.
_KEPT: Final = 64

Version = Annotated[
    str | None, Query(pattern=VERSION, description="a version; leave it out for the models that serve now")
]


class FeatureImportance(BaseModel):
    """How much a feature moves probabilities."""

    feature: str
    importance: float = Field(description="mean size of its contribution, in log-odds before calibration")
    share: float = Field(description="of the sum over all features")


class Importance(BaseModel):
    """What counts most in a model, by its contributions to the probabilities of a sample of Gold's crashes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "injury-report-lightgbm-20260601t030000-0f6c1f0e",
                    "crashes": 500,
                    "features": [{"feature": "first_crash_type", "importance": 0.62, "share": 0.21}],
                }
            ]
        }
    )

    version: str
    crashes: int = Field(description="how many it was measured on")
    features: list[FeatureImportance] = Field(description="the largest first")


def routes(gold: GoldClient, models: Models) -> APIRouter:
    """The routes about how models fare."""
    registry = models.registry
    measured: dict[str, Importance] = {}
    router = APIRouter(prefix="/api/model", tags=["model"], responses=ERRORS)
    tabular = {
        "description": "The rows, as JSON, CSV, Arrow or Parquet",
        "model": Rows,
        "content": TABULAR,
    }
    answers: dict[int | str, dict[str, Any]] = {
        200: tabular,
        404: {"model": ErrorEnvelope, "description": "there is no such model"},
    }

    @router.get("/drift", responses=answers)
    async def drift(
        request: Request,
        version: Version = None,
        history: Annotated[bool, Query(description="every measurement, and not the last alone")] = False,
        form: Shape = None,
    ) -> Response:
        """How far each feature, and `probability`, of the last 30 days of data is from what the model was trained on.

        `psi` is the population stability index: below 0.1 `stable`, below 0.25 `shifted`, else `drifted`.
        """
        return await answer("model_drift_history" if history else "model_drift", request, version, form)

    @router.get("/quality", responses=answers)
    async def quality(request: Request, version: Version = None, form: Shape = None) -> Response:
        """How good the model's scores turned out to be, by month of the crash: of crashes that it has not learned."""
        return await answer("model_quality", request, version, form)

    @router.get("/importance", responses={404: answers[404]})
    async def importance(
        version: Annotated[str | None, Query(pattern=VERSION, description="a version; leave out for injury's")] = None,
    ) -> Importance:
        """What counts most in a model: the mean size of each feature's contribution, over a sample of crashes."""
        model = await models.find(None, version)
        if model.version not in measured:
            frames = await _sample(gold, str(model.data_from))
            if frames.crashes.is_empty():
                raise RequestError(
                    f"Gold has no crash since {model.data_from:%Y-%m-%d}, when the data of this model begin",
                    field="version",
                    hint="fetch crashes of that time: POST /api/fetch/publish",
                )
            found = await asyncio.to_thread(_importance, model, frames)
            while len(measured) >= _KEPT:
                measured.pop(next(iter(measured)), None)
            measured[found.version] = found
        return measured[model.version]

    async def answer(name: str, request: Request, version: str | None, form: Shape) -> Response:
        if version is None:
            versions = list((await registry.serving()).values())
            if not versions:
                hint = "one is trained by itself once enough outcomes are known; POST /api/model/train asks for one now"
                raise ModelMissing("no model serves yet", field="version", hint=hint)
        else:
            versions = [(await registry.describe(version)).version]
        found = await gold.query(SQL[name], limit=_MOST, parameters={"versions": " ".join(versions)})
        return await as_response(found, wanted(request, form))

    return router


async def _sample(gold: GoldClient, start: str) -> GoldFrames:
    crashes = await _table(gold, "model_sample", _SAMPLE, start=start)
    ids = ",".join(crashes[KEY])
    vehicles, people = [await _table(gold, name, _MOST, ids=ids) for name in ("model_vehicles", "model_people")]
    return GoldFrames(crashes, vehicles, people)


async def _table(gold: GoldClient, name: str, limit: int, **parameters: str) -> pl.DataFrame:
    answer = await gold.query(SQL[name], limit=limit, parameters=parameters)
    return cast(pl.DataFrame, pl.from_arrow(answer.table))


def _importance(model: "Model", frames: GoldFrames) -> Importance:
    features = build(frames.crashes, frames.vehicles, frames.people)
    by_crash = model.score(features, explain=len(model.features))["contributions"].explode().struct.unnest()
    sizes = by_crash.group_by("feature").agg(importance=pl.col("contribution").abs().mean())
    ordered = sizes.sort(["importance", "feature"], descending=[True, False])
    total = sizes["importance"].sum() or 1.0
    return Importance(
        version=model.version,
        crashes=features.height,
        features=[FeatureImportance(**row, share=row["importance"] / total) for row in ordered.to_dicts()],
    )
