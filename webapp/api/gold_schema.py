"""`GET /api/gold/schema`: the tables and columns that a question may name."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from streams.storage.gold.client import GoldClient
from webapp.api.answers import TABULAR, as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.errors import ERRORS
from webapp.queries import SQL


def routes(gold: GoldClient) -> APIRouter:
    """The route of Gold's schema."""
    router = APIRouter(tags=["gold"], responses=ERRORS)

    @router.get("/api/gold/schema", responses={200: {"model": Rows, "content": TABULAR}})
    async def schema(
        request: Request,
        table: Annotated[str | None, Query(max_length=100, description="columns of this table alone")] = None,
        form: Shape = None,
    ) -> Response:
        """Each column with its table and its type in DuckDB; the tables that people ask most come first."""
        answer = await gold.query(SQL["gold_schema"], parameters={"table": table})
        return await as_response(answer, wanted(request, form))

    return router
