"""`GET /api/crashes/{crash_record_id}`: one crash with all that belongs to it, and what became of it in Silver."""

import asyncio
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any, Final, Literal, cast

import polars as pl
import pyarrow as pa
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from models.features import build
from streams.errors import CrashStreamError, RowMissing
from streams.records import UNDATED, Dataset, Target, Tier
from streams.storage.gold.client import GoldClient
from streams.storage.objects import S3Objects
from webapp.api.answers import MEDIA, TABULAR, as_response, wanted
from webapp.api.gold import Shape
from webapp.api.predict import scored
from webapp.errors import ERRORS, ErrorEnvelope
from webapp.history import History, history
from webapp.models import Models
from webapp.queries import SQL, rows
from webapp.times import Time

_EXPLAINED: Final = 12

CrashId = Annotated[str, Path(max_length=200, description="crash_record_id", examples=["4f1a…"])]


class Reason(BaseModel):
    """How much a feature moved the probability, in log-odds before calibration."""

    feature: str
    contribution: float
    value: str | None = Field(None, description="what the feature was, as text; null where it was not known")


class CrashScore(BaseModel):
    """What a model says of the crash."""

    target: Target
    probability: float
    label: bool = Field(description="whether that is at or above the model's threshold")
    threshold: float | None = Field(description="null while the model cannot be read")
    model_version: str
    tier: Tier
    scored_at: Time
    contributions: list[Reason] | None = Field(description="those that count most; null where none were kept")


class Crash(BaseModel):
    """A crash as Gold holds it. Times are Chicago's as published, but for `scored_at`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "month": "2025-11",
                    "crash": {"crash_record_id": "4f1a…", "crash_date": "2025-11-22T23:40:00", "injury": False},
                    "vehicles": [{"crash_unit_id": 1234567, "unit_no": 1, "make": "FORD"}],
                    "people": [{"person_id": "O1234567", "person_type": "DRIVER", "age": 30}],
                    "scores": [
                        {
                            "target": "injury",
                            "probability": 0.12,
                            "label": False,
                            "threshold": 0.31,
                            "model_version": "injury-report-lightgbm-20260601t030000-0f6c1f0e",
                            "tier": "report",
                            "scored_at": "2025-11-23T05:41:07Z",
                            "contributions": [{"feature": "persons", "contribution": -0.45, "value": "2"}],
                        }
                    ],
                }
            ]
        }
    )

    month: str = Field(description="its crash month, as Silver has it")
    crash: dict[str, Any]
    vehicles: list[dict[str, Any]]
    people: list[dict[str, Any]]
    scores: list[CrashScore]


class ChangedCell(BaseModel):
    """A value that changed, as text as published; null where there was or is none."""

    column: str
    before: str | None
    after: str | None


class ChangedRow(BaseModel):
    """A row of the crash that came, went or changed."""

    dataset: Dataset
    key: str
    kind: Literal["added", "removed", "changed"]
    cells: list[ChangedCell]


class CrashAmendment(BaseModel):
    """A version of the crash month that changed this crash."""

    version: int
    written_at: Time
    page: str = Field(description="the page that brought it")
    changes: list[ChangedRow] = Field(description="empty where what was before cannot be read any more")


class CrashHistory(BaseModel):
    """What became of a crash, the newest first."""

    month: str
    versions: int = Field(description="versions of its month that were looked at: the newest that changed anything")
    complete: bool = Field(description="whether these reach back to the month's first row")
    amendments: list[CrashAmendment]


def routes(gold: GoldClient, objects: S3Objects, models: Models) -> APIRouter:
    """The routes of one crash."""
    missing: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope, "description": "no such crash"}}
    router = APIRouter(prefix="/api/crashes", tags=["crashes"], responses={**ERRORS, **missing})
    turn = asyncio.Semaphore(2)  # a history may read some deltas of whole months

    @router.get("/{crash_record_id}", responses={200: {"model": Crash, "content": TABULAR}})
    async def crash(request: Request, crash_record_id: CrashId, form: Shape = None) -> Response:
        """A crash with all its vehicles and people, what the models say of it, and why they say so.

        As CSV, Arrow or Parquet it is one row, with the vehicles, people and scores as lists.
        """
        answer = await gold.query(SQL["crash"], parameters={"id": crash_record_id})
        if not answer.table.num_rows:
            raise _no_such(crash_record_id)
        form = wanted(request, form)
        if form != "json":
            return await as_response(answer, form)
        (row,) = answer.table.to_pylist()
        said = await asyncio.gather(*(_score(models, score, answer.table) for score in row["scores"] or []))
        whole = Crash(
            month=_month(row["crash"]),
            crash=row["crash"],
            vehicles=row["vehicles"] or [],
            people=row["people"] or [],
            scores=said,
        )
        return Response(whole.model_dump_json(), media_type=MEDIA["json"])

    @router.get("/{crash_record_id}/history")
    async def crash_history(
        crash_record_id: CrashId,
        versions: Annotated[int, Query(ge=1, le=1000, description="of its month, the newest; each is read")] = 50,
    ) -> CrashHistory:
        """What the newest versions of its month changed of a crash, its vehicles and its people."""
        found = await rows(gold, "crash_date", id=crash_record_id)
        if not found:
            raise _no_such(crash_record_id)
        month = _month(found[0])
        async with turn:
            return _told(month, await history(objects, month, crash_record_id, versions))

    return router


async def _score(models: Models, score: Mapping[str, Any], table: pa.Table) -> CrashScore:
    """A score with the model's reasons; while the model cannot be read, those that were kept with the score."""
    threshold, reasons = None, score["contributions"]
    try:
        model = await models.find(None, score["model_version"])
    except CrashStreamError:
        pass  # the crash is there all the same
    else:
        threshold = model.threshold
        said = await asyncio.to_thread(lambda: scored(model, _features(table), _EXPLAINED))
        reasons = said["contributions"][0].to_list()
    return CrashScore.model_validate(
        {**score, "scored_at": score["scored_at"].replace(tzinfo=UTC), "threshold": threshold, "contributions": reasons}
    )


def _features(table: pa.Table) -> pl.DataFrame:
    frame = cast(pl.DataFrame, pl.from_arrow(table))
    vehicles, people = (
        frame.select(pl.col(name).explode()).drop_nulls().unnest(name) for name in ("vehicles", "people")
    )
    return build(frame.select("crash").unnest("crash"), vehicles, people)


def _month(crash: Mapping[str, Any]) -> str:
    when = crash["crash_date"]
    return f"{when.year:04d}-{when.month:02d}" if when else UNDATED


def _no_such(crash_id: str) -> RowMissing:
    return RowMissing(
        f"Gold has no crash {crash_id}",
        field="crash_record_id",
        hint="it may not have come yet, or the city has deleted it; GET /api/map/crashes lists the newest",
    )


def _told(month: str, found: History) -> CrashHistory:
    amendments = [
        CrashAmendment(
            version=amendment.version,
            written_at=amendment.written_at,
            page=amendment.page,
            changes=[
                ChangedRow(
                    dataset=change.dataset,
                    key=change.key,
                    kind=change.kind,
                    cells=[ChangedCell(column=name, before=old, after=new) for name, old, new in change.cells],
                )
                for change in amendment.changes
            ],
        )
        for amendment in found.amendments
    ]
    return CrashHistory(month=month, versions=found.versions, complete=found.complete, amendments=amendments)
