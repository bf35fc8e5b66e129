"""`GET /api/schema/columns`: the columns that the portal's tables have now, beside those of Gold."""

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from streams.cached import Cached
from streams.domain.drift import drifts
from streams.domain.schemas import TABLES, Table
from streams.records import DATASETS, Dataset
from streams.socrata.client import Portal
from webapp.api.patience import soon
from webapp.errors import ERRORS, ErrorEnvelope

# A column comes or goes once in years.
KEEP_SECONDS: Final = 300.0


class LiveColumn(BaseModel):
    """A column of a table: what the portal says of it, and what Gold makes of it."""

    name: str = Field(examples=["posted_speed_limit"])
    type: str | None = Field(description="in the portal's words; null where it has the column no more")
    description: str | None = Field(description="the portal's, where it gives one")
    in_gold: bool = Field(description="false for a column that is new: it is kept in Silver's `extra`")
    gold_type: str | None = Field(examples=["INTEGER"])
    drift: str | None = Field(description="how the column differs from what is known, if it does")


class Columns(BaseModel):
    """All columns of a table. Rows are fetched whole: a copy that lacks columns would not be exact."""

    dataset: Dataset
    portal_id: str = Field(examples=["85ca-t3if"])
    columns: list[LiveColumn]


def routes(portal: Portal) -> APIRouter:
    """The routes about the portal's schema."""
    router = APIRouter(tags=["fetch"], responses={**ERRORS, 502: {"model": ErrorEnvelope}})
    kept = {name: Cached(partial(_columns, portal, TABLES[name]), lambda _: KEEP_SECONDS) for name in DATASETS}

    @router.get("/api/schema/columns")
    async def columns(dataset: Annotated[Dataset, Query(description="one of the three tables")] = "crashes") -> Columns:
        """The columns of a table as the portal's metadata has them, at most five minutes ago."""
        return await kept[dataset]()

    return router


async def _columns(portal: Portal, table: Table) -> Columns:
    live = await soon(portal.columns(table))
    known = {column.name: column.kind.value for column in table.columns}
    drift = {drifted.column: drifted.detail for drifted in drifts({column.name: column.type for column in live}, table)}
    columns = [
        LiveColumn(
            name=column.name,
            type=column.type,
            description=column.description,
            in_gold=column.name in known,
            gold_type=known.get(column.name),
            drift=drift.get(column.name),
        )
        for column in live
    ]
    published = {column.name for column in live}
    gone = [
        LiveColumn(name=name, type=None, description=None, in_gold=True, gold_type=kind, drift=drift.get(name))
        for name, kind in known.items()
        if name not in published
    ]
    return Columns(dataset=table.dataset, portal_id=table.portal_id, columns=columns + gone)
