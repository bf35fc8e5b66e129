"""`GET /api/lineage/{table}/{key}`: from a row of Gold back to the request that it came from."""

from typing import Annotated

from fastapi import APIRouter, Path

from streams.lineage.trail import Lineage
from streams.records import Dataset
from streams.storage.gold.client import GoldClient
from webapp.errors import ERRORS, ErrorEnvelope


def routes(gold: GoldClient) -> APIRouter:
    """The route about where rows came from."""
    router = APIRouter(tags=["lineage"], responses=ERRORS)

    @router.get("/api/lineage/{table}/{key}", responses={404: {"model": ErrorEnvelope}})
    async def lineage(
        table: Dataset,
        key: Annotated[str, Path(max_length=200, description="crash_record_id, crash_unit_id or person_id")],
    ) -> Lineage:
        """A row's crash month, its stamp and version in Silver, its page in Bronze, and the runs that fetched it."""
        return await gold.lineage(table, key)

    return router
