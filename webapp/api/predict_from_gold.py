"""`POST /api/model/predict-from-gold`: what a model says of crashes that Gold has, and how well it fits what came."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, cast

import numpy as np
import polars as pl
import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import to_json

from models.evaluate import Evaluation, evaluate
from models.features import KEY, build
from streams.domain.clean import GoldFrames
from streams.errors import DataTooThin, RequestError
from streams.records import Day
from streams.storage.gold.client import GoldClient
from webapp.api.answers import MEDIA, Format, as_csv, wanted
from webapp.api.predict import Contribution, ExplainQuery, TargetQuery, UsedModel, VersionQuery, as_arrow, scored, used
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.models import Models
from webapp.queries import SQL, rows
from webapp.times import Time

if TYPE_CHECKING:
    from models.model import Model

MOST_IDS: Final = 5_000
MOST_CRASHES: Final = 300_000
# Crashes that are read and scored at a time: their ids, 128 characters each, go into a question.
_PAGE: Final = 5_000
# More than these have vehicles and people of a page; Gold has a limit, and says where it cut.
_MOST_CHILDREN: Final = 500_000
# Each has a page with its vehicles and people in memory.
_AT_ONCE: Final = 2
_BINS: Final = 20
_RESAMPLES: Final = 100

LimitQuery = Annotated[int, Query(ge=0, le=100_000, description="rows in the JSON; CSV and Arrow have all")]
FormQuery = Annotated[
    Format | None, Query(alias="format", description="json, csv or arrow; or say it with the header Accept")
]
Id = Annotated[str, Field(pattern=r"^[^,]{1,128}$")]


class GoldCrashes(BaseModel):
    """Crashes of Gold: those from `start` (inclusive) to `end` (exclusive), or those of these ids."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"start": "2025-11-01", "end": "2025-12-01"}, {"crash_record_ids": ["4f1a…"]}]},
    )

    start: Day | None = Field(None, description="first day of crashes")
    end: Day | None = Field(None, description="the day after the last one")
    crash_record_ids: list[Id] | None = Field(None, min_length=1, max_length=MOST_IDS)

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start")
        if end and start and end <= start:
            raise ValueError(f"{end} must be after start {start}; end is exclusive")
        return end

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        days = [day for day in (self.start, self.end) if day is not None]
        if len(days) != (2 if self.crash_record_ids is None else 0):
            raise ValueError("say which crashes by start and end, or by crash_record_ids alone")
        return self


class GoldPrediction(BaseModel):
    """What the model says of a crash, and what came of it."""

    crash_record_id: str
    crash_date: Time | None
    probability: float
    label: bool
    outcome: bool | None = Field(description="null while it is not known")
    contributions: list[Contribution] | None = Field(None, description="the largest by size; with `explain` alone")


class Histogram(BaseModel):
    """Crashes by probability: `counts[n]` from `edges[n]` up to `edges[n + 1]`."""

    edges: list[float]
    counts: list[int]


class GoldPredictions(BaseModel):
    """What the model says of crashes in Gold."""

    model: UsedModel
    crashes: int
    labelled_true: int = Field(description="crashes whose probability reaches the threshold")
    outcomes_known: int
    outcomes_true: int
    histogram: Histogram
    evaluation: Evaluation | None = Field(description="by the crashes whose outcome is known")
    not_evaluated: str | None = Field(description="why there is no evaluation")
    not_found: list[str] = Field(description="ids of which Gold has no crash")
    unknown_categories: dict[str, list[str]] = Field(description="by feature; they counted as other rare ones do")
    rows: list[GoldPrediction] = Field(description="the first `limit`, the earliest first")
    truncated: bool


def routes(models: Models, gold: GoldClient) -> APIRouter:
    """The route that predicts for crashes of Gold."""
    absent: dict[int | str, dict[str, Any]] = {
        404: {"model": ErrorEnvelope, "description": "no model of that version, or none serves yet"}
    }
    router = APIRouter(prefix="/api/model", tags=["model"], responses={**ERRORS, **absent})
    turn = asyncio.Semaphore(_AT_ONCE)

    said: dict[int | str, dict[str, Any]] = {
        200: {"model": GoldPredictions, "content": {MEDIA["csv"]: {}, MEDIA["arrow"]: {}}},
        406: {"model": ErrorEnvelope, "description": "rows are streamed, which Parquet does not allow"},
    }

    @router.get("/predict-from-gold", responses=said)
    async def predict_from_gold_by_address(
        request: Request,
        start: Annotated[Day, Query(description="first day of crashes", examples=["2025-11-01"])],
        end: Annotated[Day, Query(description="the day after the last one", examples=["2025-12-01"])],
        target: TargetQuery = None,
        version: VersionQuery = None,
        explain: ExplainQuery = 0,
        limit: LimitQuery = 100,
        form: FormQuery = None,
    ) -> Response:
        """The same as by POST, for a span of days, as an address that can be passed on."""
        if end <= start:
            hint = "the last day is not included"
            raise ApiError(422, "invalid-request", f"end: {end} must be after start {start}", field="end", hint=hint)
        crashes = GoldCrashes(start=start, end=end)
        return await predict_from_gold(request, crashes, target, version, explain, limit, form)

    @router.post("/predict-from-gold", responses=said)
    async def predict_from_gold(
        request: Request,
        crashes: GoldCrashes,
        target: TargetQuery = None,
        version: VersionQuery = None,
        explain: ExplainQuery = 0,
        limit: LimitQuery = 100,
        form: FormQuery = None,
    ) -> Response:
        """How probable the outcomes of crashes in Gold are, and how well that fits what came.

        JSON has counts, a histogram, an evaluation by the known outcomes and the first rows; CSV and Arrow have all
        rows. Crashes that change while they are read may count as before or as after.
        """
        shape = wanted(request, form)
        if shape == "parquet":
            hint = "ask for csv or arrow; both have all rows"
            raise ApiError(
                406, "not-acceptable", "rows are streamed, which Parquet does not allow", field="format", hint=hint
            )
        model = await models.find(target, version)
        await _check_size(gold, crashes)
        scorer = _Scoring(model, _pages(gold, crashes), turn)
        if shape == "json":
            return Response(await _summary(scorer, crashes, explain, limit), media_type="application/json")
        return await _streamed(scorer, explain, shape)

    return router


class _Scoring:
    """Pages of crashes as a model scores them, one after the other."""

    def __init__(self, model: "Model", pages: AsyncIterator[GoldFrames], turn: asyncio.Semaphore) -> None:
        self.model = model
        self.unknown: dict[str, set[str]] = {}
        self._pages = pages
        self._turn = turn

    async def next(self, explain: int) -> pl.DataFrame | None:
        """The next page: crash_record_id, crash_date, probability, label, outcome, contributions; None at the end."""
        async with self._turn:
            frames = await anext(self._pages, None)
            return None if frames is None else await asyncio.to_thread(self._score, frames, explain)

    def _score(self, frames: GoldFrames, explain: int) -> pl.DataFrame:
        features = build(frames.crashes, frames.vehicles, frames.people)
        for name, values in self.model.encoding.unknown(features).items():
            self.unknown.setdefault(name, set()).update(values)
        crashes = frames.crashes.select(KEY, "crash_date", outcome=self.model.target)
        scores = crashes.join(scored(self.model, features, explain), on=KEY, maintain_order="left")
        contributions = ["contributions"] if explain else []
        return scores.select(KEY, "crash_date", "probability", "label", "outcome", *contributions)


async def _check_size(gold: GoldClient, crashes: GoldCrashes) -> None:
    if crashes.crash_record_ids is None:
        ((count,),) = [found.values() for found in await rows(gold, "model_count", **_span(crashes))]
        if count > MOST_CRASHES:
            raise RequestError(
                f"{count:,} crashes are too many at once",
                field="end",
                hint=f"ask for a shorter span: at most {MOST_CRASHES:,} crashes",
            )


def _span(crashes: GoldCrashes) -> dict[str, str]:
    return {"start": str(crashes.start), "end": str(crashes.end)}


async def _pages(gold: GoldClient, crashes: GoldCrashes) -> AsyncIterator[GoldFrames]:
    if crashes.crash_record_ids is not None:
        ids = ",".join(crashes.crash_record_ids)
        yield await _with_children(gold, await _table(gold, "model_crashes_named", MOST_IDS, ids=ids))
        return
    after, after_id = str(crashes.start), ""
    while True:
        page = await _table(gold, "model_crashes", _PAGE, end=str(crashes.end), after=after, after_id=after_id)
        yield await _with_children(gold, page)
        if page.height < _PAGE:
            return
        after, after_id = str(page["crash_date"][-1]), page[KEY][-1]


async def _with_children(gold: GoldClient, crashes: pl.DataFrame) -> GoldFrames:
    ids = ",".join(crashes[KEY])
    return GoldFrames(
        crashes,
        await _table(gold, "model_vehicles", _MOST_CHILDREN, ids=ids),
        await _table(gold, "model_people", _MOST_CHILDREN, ids=ids),
    )


async def _table(gold: GoldClient, name: str, limit: int, **parameters: str) -> pl.DataFrame:
    answer = await gold.query(SQL[name], limit=limit, parameters=parameters)
    return cast(pl.DataFrame, pl.from_arrow(answer.table))


async def _streamed(scoring: _Scoring, explain: int, shape: Format) -> Response:
    """All rows, a page at a time. The first one is made before the answer begins: it can still be an error."""
    first = await scoring.next(explain)
    encode = _arrow_pages() if shape == "arrow" else _csv_pages()

    async def pages() -> AsyncIterator[bytes]:
        page = first
        while page is not None:
            yield await asyncio.to_thread(encode, page)
            page = await scoring.next(explain)
        yield encode(None)

    return StreamingResponse(pages(), media_type=MEDIA[shape], headers={"X-Model-Version": scoring.model.version})


def _csv_pages() -> Callable[[pl.DataFrame | None], bytes]:
    """Encodes one page after the other; the first one has the header, None is the end."""
    header = True

    def encode(page: pl.DataFrame | None) -> bytes:
        nonlocal header
        text = b"" if page is None else as_csv(page.to_arrow(), header=header)
        header = False
        return text

    return encode


def _arrow_pages() -> Callable[[pl.DataFrame | None], bytes]:
    """The same as one Arrow stream, a batch a page."""
    sink = io.BytesIO()
    writer: pa.ipc.RecordBatchStreamWriter | None = None

    def encode(page: pl.DataFrame | None) -> bytes:
        nonlocal writer
        if page is not None:
            table = as_arrow(page)
            writer = writer or pa.ipc.new_stream(sink, table.schema)
            writer.write_table(table)
        elif writer is not None:
            writer.close()
        written = sink.getvalue()
        sink.seek(0)
        sink.truncate()
        return written

    return encode


async def _summary(scoring: _Scoring, crashes: GoldCrashes, explain: int, limit: int) -> bytes:
    shown, scores, height = [], [], 0
    # Explaining takes by far the most time: what is not shown is not explained.
    while (page := await scoring.next(explain if height < limit else 0)) is not None:
        if height < limit:
            shown.append(page.head(limit - height))
        scores.append(page.drop("contributions", strict=False))
        height += page.height
    return await asyncio.to_thread(_encoded, scoring, crashes, pl.concat(scores), pl.concat(shown) if shown else None)


def _encoded(scoring: _Scoring, crashes: GoldCrashes, scores: pl.DataFrame, shown: pl.DataFrame | None) -> bytes:
    known = scores.drop_nulls("outcome")
    evaluation, not_evaluated = _evaluated(known, scoring.model.threshold)
    counts, edges = np.histogram(scores["probability"].to_numpy(), bins=_BINS, range=(0, 1))
    found = set(scores[KEY]) if crashes.crash_record_ids else set()
    body = {
        "model": used(scoring.model),
        "crashes": scores.height,
        "labelled_true": int(scores["label"].sum()),
        "outcomes_known": known.height,
        "outcomes_true": int(known["outcome"].sum()),
        "histogram": {"edges": [round(float(edge), 4) for edge in edges], "counts": counts.tolist()},
        "evaluation": evaluation,
        "not_evaluated": not_evaluated,
        "not_found": [crash_id for crash_id in crashes.crash_record_ids or () if crash_id not in found],
        "unknown_categories": {name: sorted(values) for name, values in scoring.unknown.items()},
        "rows": shown.to_dicts() if shown is not None else [],
        "truncated": (shown.height if shown is not None else 0) < scores.height,
    }
    return to_json(body, inf_nan_mode="null")


def _evaluated(known: pl.DataFrame, threshold: float) -> tuple[Evaluation | None, str | None]:
    try:
        columns = (known[name].to_numpy() for name in ("probability", "outcome", "crash_date"))
        probability, outcome, dates = columns
        return evaluate(probability, outcome, threshold, dates, count=_RESAMPLES), None
    except DataTooThin as error:
        return None, error.message
