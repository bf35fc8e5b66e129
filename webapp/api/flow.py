"""`GET /api/flow`, `GET /api/attention`: what Home shows."""

from fastapi import APIRouter, Request, Response

from streams.storage.gold.client import GoldClient
from webapp.api.answers import TABULAR, as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.attention import Matter, attention
from webapp.errors import ERRORS
from webapp.queries import SQL
from webapp.snapshot import GoldView, Snapshots


def routes(gold: GoldClient, snapshots: Snapshots) -> APIRouter:
    """The routes about the flow as a whole."""
    router = APIRouter(tags=["flow"], responses=ERRORS)

    @router.get("/api/flow", responses={200: {"model": Rows, "content": TABULAR}})
    async def flow(request: Request, form: Shape = None) -> Response:
        """When each stage last did something (UTC), and how many rows, crashes or scores in the last 5 minutes."""
        return await as_response(await gold.query(SQL["stages"]), wanted(request, form))

    @router.get("/api/attention")
    async def look() -> list[Matter]:
        """What somebody should look at, the gravest first; an empty list when all is well."""
        snapshot = await snapshots.latest()
        return attention(snapshot.checks, snapshot.gold.attention if isinstance(snapshot.gold, GoldView) else None)

    return router
