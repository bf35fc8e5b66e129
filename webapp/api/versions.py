"""`GET /api/silver/…`: what Silver held of a crash month at a version or a time, and what became of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from streams.domain.compare import Difference, compare
from streams.domain.merge import flatten, live
from streams.domain.schemas import GONE, TABLES
from streams.errors import RequestError
from streams.records import Dataset
from streams.storage.gold.answer import Answer
from streams.storage.silver import Silver
from streams.storage.silver import Version as Stored
from webapp.api.answers import TABULAR, as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.times import Time

# A month takes some 100 MB in memory: so many requests read one at a time.
_READERS: Final = 2

MonthName = Annotated[str, Path(pattern=r"^\d{4}-\d{2}$", examples=["2024-01"], description="0000-00: no date")]
Number = Annotated[int, Query(ge=1, description="a version's number")]


class Version(BaseModel):
    """A version of a crash month. `rows` is null where it was written before versions said."""

    version: int
    content: int = Field(description="the last version up to it at which content changed")
    written_at: Time
    rows: dict[Dataset, int] | None = Field(description="by dataset")
    page: str = Field(description="the page that caused it")
    size: int = Field(description="bytes of the object")


class MonthHead(Version):
    """A crash month at its newest version."""

    month: str


class Months(BaseModel):
    """Crash months, in order."""

    months: list[MonthHead]


class Versions(BaseModel):
    """Versions of a crash month that can be read, newest first."""

    month: str
    versions: list[Version]


class Cell(BaseModel):
    """A value that changed, as text as published; null where there was or is none."""

    key: str
    column: str
    before: str | None
    after: str | None


class TableDifference(BaseModel):
    """What differs in one table; the lists hold the first `limit` of each."""

    added: int
    removed: int
    changed: int
    columns: dict[str, int] = Field(description="rows changed by column, the most changed first")
    added_keys: list[str]
    removed_keys: list[str]
    cells: list[Cell] = Field(description="every changed value of the first changed rows")


class Comparison(BaseModel):
    """What differs between two versions of a month, by dataset. Bookkeeping of the portal is no difference."""

    model_config = ConfigDict(populate_by_name=True)

    month: str
    from_version: int = Field(alias="from")
    to_version: int = Field(alias="to")
    datasets: dict[Dataset, TableDifference]


def routes(silver: Silver) -> APIRouter:
    """The routes that read Silver's past."""
    missing: dict[int | str, dict[str, Any]] = {
        404: {"model": ErrorEnvelope, "description": "no such month, or no such version (any more)"}
    }
    router = APIRouter(prefix="/api/silver", tags=["silver"], responses={**ERRORS, **missing})
    turn = asyncio.Semaphore(_READERS)

    @router.get("/months")
    async def months() -> Months:
        """The crash months of Silver, each at its newest version. Times are in UTC."""
        newest = await silver.newest()
        return Months(months=[MonthHead(month=month, **stored._asdict()) for month, stored in newest.items()])

    @router.get("/{month}/versions")
    async def versions(month: MonthName, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Versions:
        """The newest versions of a month that can be read. A version expires once it is old and has a successor."""
        with _found():
            history = await silver.history(month, limit)
        return Versions(month=month, versions=[_version(stored) for stored in reversed(history)])

    @router.get(
        "/{month}/rows",
        responses={
            200: {
                "description": "The rows in any format; the header X-Silver-Version says of which version",
                "model": Rows,
                "content": TABULAR,
            }
        },
    )
    async def rows(
        request: Request,
        month: MonthName,
        version: Annotated[int | None, Query(ge=1, description="leave out for the newest")] = None,
        at: Annotated[
            AwareDatetime | None, Query(description="as of this time", examples=["2025-06-01T12:00:00Z"])
        ] = None,
        dataset: Dataset = "crashes",
        limit: Annotated[int, Query(ge=1, le=100_000)] = 1000,
        form: Shape = None,
    ) -> Response:
        """The rows of a month as they were at a version or a time, as published: all text, with the bookkeeping."""
        if version is not None and at is not None:
            hint = "leave out one of the two"
            raise ApiError(422, "invalid-request", "version and at say the same thing twice", field="at", hint=hint)
        with _found():
            number = await silver.find(month, version=version, at=at)
            async with turn:
                frame = await silver.at(month, version=number)
                found = await asyncio.to_thread(_rows, frame, dataset)
        answer = Answer(found.head(limit).to_arrow(), truncated=found.height > limit)
        response = await as_response(answer, wanted(request, form))
        response.headers["X-Silver-Version"] = str(number)
        return response

    @router.get("/{month}/compare")
    async def compare_versions(
        month: MonthName,
        old: Annotated[Number, Query(alias="from")],
        new: Annotated[Number, Query(alias="to")],
        limit: Annotated[int, Query(ge=0, le=1000, description="rows shown of each kind")] = 20,
    ) -> Comparison:
        """Rows added, removed and changed between two versions of a month, and the values that changed."""
        with _found():
            async with turn:
                before, after = await silver.at(month, version=old), await silver.at(month, version=new)
                found = await asyncio.to_thread(compare, before, after)
                datasets = {name: _difference(difference, limit) for name, difference in found.items()}
        return Comparison(month=month, from_version=old, to_version=new, datasets=datasets)

    return router


def _version(stored: Stored) -> Version:
    return Version(**stored._asdict())


def _rows(frame: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    return live(flatten(frame, TABLES[dataset])).drop(GONE)


def _difference(found: Difference, limit: int) -> TableDifference:
    return TableDifference(
        added=found.added.height,
        removed=found.removed.height,
        changed=found.changed,
        columns=found.columns,
        added_keys=found.added["key"].head(limit).to_list(),
        removed_keys=found.removed["key"].head(limit).to_list(),
        cells=[Cell(**cell) for cell in found.sample(limit).to_dicts()],
    )


@contextmanager
def _found() -> Iterator[None]:
    """What Silver does not have is 404, with the field and what there is."""
    try:
        yield
    except RequestError as error:
        raise ApiError(404, "not-found", error.message, field=error.field, hint=error.hint) from None
