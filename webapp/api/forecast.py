"""`GET /api/forecast`: crashes and injuries to be expected, and how the methods did in their backtests."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from streams.storage.gold.client import GoldClient
from webapp.api.answers import as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.queries import SQL

_MOST = 100_000


def routes(gold: GoldClient) -> APIRouter:
    """The routes about forecasts."""
    router = APIRouter(prefix="/api/forecast", tags=["forecast"], responses=ERRORS)
    tabular = {
        "description": "The rows, as JSON, CSV or Arrow",
        "model": Rows,
        "content": {"text/csv": {}, "application/vnd.apache.arrow.stream": {}},
    }

    @router.get(
        "", responses={200: tabular, 404: {"model": ErrorEnvelope, "description": "nothing is forecast of that"}}
    )
    async def forecast(
        request: Request,
        first: Annotated[date | None, Query(alias="from", description="first day", examples=["2025-11-24"])] = None,
        last: Annotated[date | None, Query(alias="to", description="last day", examples=["2025-12-07"])] = None,
        beat: Annotated[
            Annotated[int, Query(ge=1, le=9999)] | Literal["all"] | None,
            Query(description="a police beat, or all of them; leave out for the city as a whole", examples=["1834"]),
        ] = None,
        measure: Annotated[
            Literal["crashes", "injuries"] | None, Query(description="injuries: crashes with an injury")
        ] = None,
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

    @router.get("/backtests", responses={200: tabular})
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
