"""`GET /api/forecast`: crashes and injuries to be expected, and how the methods did in their backtests."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from streams.storage.gold.client import GoldClient
from webapp.api.answers import MEDIA, as_response, wanted
from webapp.api.gold import Column, Shape
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.queries import SQL
from webapp.times import Time
from webapp.versioned import Answers, versioned

_MOST = 100_000
Measure = Literal["crashes", "injuries"]
MeasureQuery = Annotated[Measure | None, Query(description="injuries: crashes with an injury; both where left out")]
Beat = Annotated[int, Query(ge=1, le=9999)]


class _Rows(BaseModel):
    columns: list[Column]
    truncated: bool


class ForecastDay(BaseModel):
    """What is to be expected of a day; intervals include both ends."""

    day: date
    measure: Measure
    beat: int | None = Field(description="null for the city as a whole")
    expected: float
    low_80: int
    high_80: int
    low_95: int
    high_95: int
    method: str = Field(description="what the forecast was made by")
    data_through: date
    made_at: Time = Field(description="UTC")


class ForecastRows(_Rows):
    """Days to come, in order."""

    rows: list[ForecastDay]


class PastDay(BaseModel):
    """What was counted on a day."""

    day: date
    measure: Measure
    beat: int | None
    count: int
    complete: bool = Field(description="false while reports of that day are still to come")


class PastRows(_Rows):
    """Days that were, in order."""

    rows: list[PastDay]


class BeatAhead(BaseModel):
    """A beat, and what is expected of it on all days to come."""

    model_config = ConfigDict(populate_by_name=True)

    beat: int
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    crashes: float
    injuries: float


class BeatRows(_Rows):
    """Beats by number."""

    rows: list[BeatAhead]


class Backtest(BaseModel):
    """How a method did when it forecast days that are known by now."""

    measure: Measure
    level: Literal["city", "beat"]
    method: str
    served: bool
    origins: int = Field(description="evenings it forecast from")
    deviance: float | None = Field(description="mean Poisson deviance: less is better, and decides")
    mae: float | None = Field(description="mean absolute error, in crashes a day")
    coverage_80: float | None = Field(description="share of days within the interval of 80 %")
    coverage_95: float | None
    days_known: int
    complete_through: date | None
    note: str | None = Field(description="what is missing, if something is")
    made_at: Time = Field(description="UTC")


class BacktestRows(_Rows):
    """Methods by measure and level, the one that is served first."""

    rows: list[Backtest]


def routes(gold: GoldClient, answers: Answers) -> APIRouter:
    """The routes about forecasts."""
    router = APIRouter(prefix="/api/forecast", tags=["forecast"], responses=ERRORS, route_class=versioned(answers))

    def tabular(rows: type[_Rows]) -> dict[str, Any]:
        content: dict[str, Any] = {MEDIA["csv"]: {}, MEDIA["arrow"]: {}, MEDIA["parquet"]: {}}
        return {"description": "The rows, as JSON, CSV, Arrow or Parquet", "model": rows, "content": content}

    @router.get(
        "",
        responses={
            200: tabular(ForecastRows),
            404: {"model": ErrorEnvelope, "description": "nothing is forecast of that"},
        },
    )
    async def forecast(
        request: Request,
        first: Annotated[date | None, Query(alias="from", description="first day", examples=["2025-11-24"])] = None,
        last: Annotated[date | None, Query(alias="to", description="last day", examples=["2025-12-07"])] = None,
        beat: Annotated[
            Beat | Literal["all"] | None,
            Query(description="a police beat, or all of them; leave out for the city as a whole", examples=["1834"]),
        ] = None,
        measure: MeasureQuery = None,
        form: Shape = None,
    ) -> Response:
        """Counts to be expected on each of the 14 days after the data, with intervals of 80 % and 95 %.

        `method` says what is served: the model where it beats the baselines, else the better baseline.
        """
        if first and last and last < first:
            hint = "both days are included"
            raise ApiError(422, "invalid-request", f"to {last} is before from {first}", field="to", hint=hint)
        parameters: dict[str, object] = {
            "first": first and first.isoformat(),
            "last": last and last.isoformat(),
            "measure": measure,
            "level": "city" if beat is None else "beat",
            "beat": None if beat == "all" else beat,
        }
        answer = await gold.query(SQL["forecast"], limit=_MOST, parameters=parameters)
        if not answer.table.num_rows:
            raise await _nothing(gold, parameters)
        return await as_response(answer, wanted(request, form))

    @router.get("/past", responses={200: tabular(PastRows)})
    async def past(
        request: Request,
        beat: Annotated[Beat | None, Query(description="leave out for the city", examples=["1834"])] = None,
        measure: MeasureQuery = None,
        days: Annotated[int, Query(ge=1, le=3660, description="so many days, up to the newest crash")] = 60,
        form: Shape = None,
    ) -> Response:
        """What was counted on the days before a forecast; the last days are not whole yet, and say so."""
        parameters = {"beat": beat, "measure": measure, "days": days}
        answer = await gold.query(SQL["forecast_past"], limit=_MOST, parameters=parameters)
        return await as_response(answer, wanted(request, form))

    @router.get("/beats", responses={200: tabular(BeatRows)})
    async def beats(request: Request, form: Shape = None) -> Response:
        """The beats of which something is forecast, and how much is expected there in all."""
        return await as_response(await gold.query(SQL["forecast_beats"], limit=_MOST), wanted(request, form))

    @router.get("/backtests", responses={200: tabular(BacktestRows)})
    async def backtests(request: Request, form: Shape = None) -> Response:
        """How each method did when it forecast from past days, which one is served, and what is missing."""
        return await as_response(await gold.query(SQL["forecast_backtests"]), wanted(request, form))

    return router


async def _nothing(gold: GoldClient, parameters: dict[str, object]) -> ApiError:
    """Why there is no row: no such day, no such beat, or no forecast at all."""
    (there,) = (
        await gold.query(SQL["forecast_reach"], parameters={"measure": parameters["measure"]})
    ).table.to_pylist()
    if there["first"] is None:
        hint = "GET /api/forecast/backtests says what is missing"
        return ApiError(404, "not-found", "there is no forecast yet", hint=hint)
    if (
        parameters["beat"] is not None
        and not (
            await gold.query(SQL["forecast"], limit=1, parameters={**parameters, "first": None, "last": None})
        ).table.num_rows
    ):
        return ApiError(
            404,
            "not-found",
            f"nothing is forecast for beat {parameters['beat']}: no crash of the last years was there",
            field="beat",
            hint="GET /api/forecast?beat=all lists the beats",
        )
    return ApiError(
        404,
        "not-found",
        "nothing is forecast for these days",
        field="from",
        hint=f"ask for days from {there['first']} to {there['last']}",
    )
