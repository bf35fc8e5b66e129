"""`GET /api/model/drift|quality`: do crashes still look as in training, and how good did the scores turn out to be?"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from models.registry import Registry
from streams.errors import ModelMissing
from streams.storage.gold.client import GoldClient
from webapp.api.answers import as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.api.model import VERSION
from webapp.errors import ERRORS, ErrorEnvelope
from webapp.queries import SQL

_MOST: Final = 100_000

Version = Annotated[
    str | None, Query(pattern=VERSION, description="a version; leave it out for the models that serve now")
]


def routes(gold: GoldClient, registry: Registry) -> APIRouter:
    """The routes about how models fare."""
    router = APIRouter(prefix="/api/model", tags=["model"], responses=ERRORS)
    tabular = {
        "description": "The rows, as JSON, CSV or Arrow",
        "model": Rows,
        "content": {"text/csv": {}, "application/vnd.apache.arrow.stream": {}},
    }
    answers: dict[int | str, dict[str, Any]] = {
        200: tabular,
        404: {"model": ErrorEnvelope, "description": "there is no such model"},
    }

    @router.get("/drift", responses=answers)
    async def drift(request: Request, version: Version = None, form: Shape = None) -> Response:
        """How far each feature, and `probability`, of the last 30 days of data is from what the model was trained on.

        `psi` is the population stability index: below 0.1 `stable`, below 0.25 `shifted`, else `drifted`.
        """
        return await answer("model_drift", request, version, form)

    @router.get("/quality", responses=answers)
    async def quality(request: Request, version: Version = None, form: Shape = None) -> Response:
        """How good the model's scores turned out to be, by month of the crash: of crashes that it has not learned."""
        return await answer("model_quality", request, version, form)

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
