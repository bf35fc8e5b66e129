"""`GET /api/map/…`: where crashes happen, by hexagons, and which they are."""

import asyncio
from datetime import date
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NaiveDatetime
from pydantic_core import to_json

from streams.cached import Cached
from streams.storage.gold.answer import Answer
from streams.storage.gold.client import GoldClient
from streams.storage.gold.facets import WHO
from webapp.api.answers import MEDIA, TABULAR, as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.errors import ERRORS, ApiError
from webapp.hexgrid import DEFAULT_SIZE, PARAMETERS
from webapp.queries import SQL
from webapp.versioned import Answers, versioned

_MOST_HEXAGONS: Final = 100_000
# It takes all crashes there are, and a city does not change its shape with each of them.
_KEEP_OUTLINE_SECONDS: Final = 60.0

Severity = Literal["any", "injury", "severe", "fatal"]
Who = Literal["pedestrian", "cyclist", "driver", "passenger", "other"]
# Bits of `who` in Gold's facets.
_BITS: Final[dict[Who, int]] = {
    "pedestrian": WHO["PEDESTRIAN"],
    "cyclist": WHO["BICYCLE"],
    "driver": WHO["DRIVER"],
    "passenger": WHO["PASSENGER"],
    "other": WHO["NON-MOTOR VEHICLE"] | WHO["NON-CONTACT VEHICLE"],
}
Size = Annotated[
    Literal[250, 500, 1000, 2000],
    BeforeValidator(lambda text: int(text) if str(text).isdecimal() else text),  # a literal takes no text for a number
    Query(description="metres from side to side of a hexagon", examples=[DEFAULT_SIZE]),
]


class Hexagon(BaseModel):
    """A hexagon with at least one crash. `latitude` and `longitude` are its middle."""

    q: int
    r: int
    latitude: float
    longitude: float
    crashes: int
    injuries: int = Field(description="crashes that injured somebody")
    severe: int = Field(description="crashes with a fatal or incapacitating injury")
    fatal: int
    known: int = Field(description="crashes whose outcome is known")
    injury_share: float | None = Field(description="injuries of known; null where none is known")
    risk: float | None = Field(description="mean probability of an injury, by the model; null where none is scored")


class Hexagons(BaseModel):
    """Crashes by hexagon, the hexagon with the most crashes first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "size": 500,
                    "crashes": 1043,
                    "without_place": 12,
                    "hexagons": [
                        {
                            "q": 11,
                            "r": 8,
                            "latitude": 41.8812,
                            "longitude": -87.6106,
                            "crashes": 31,
                            "injuries": 5,
                            "severe": 1,
                            "fatal": 0,
                            "known": 30,
                            "injury_share": 0.1667,
                            "risk": 0.152,
                        }
                    ],
                }
            ]
        }
    )

    size: int = Field(description="metres from side to side")
    crashes: int = Field(description="all that the filters leave, with those without a place")
    without_place: int = Field(description="of them, those without coordinates: in no hexagon")
    hexagons: list[Hexagon]


def filters(
    first: Annotated[date | None, Query(alias="from", description="first day", examples=["2025-11-01"])] = None,
    last: Annotated[date | None, Query(alias="to", description="last day", examples=["2025-11-30"])] = None,
    severity: Annotated[Severity, Query(description="crashes with at least this")] = "any",
    kind: Annotated[
        str | None, Query(alias="type", max_length=100, description="first_crash_type", examples=["REAR END"])
    ] = None,
    who: Annotated[Who | None, Query(description="crashes in which somebody of this kind was")] = None,
) -> dict[str, object]:
    """Which crashes count, as parameters of `sql/map_counted.sql`."""
    if first and last and last < first:
        hint = "both days are included"
        raise ApiError(422, "invalid-request", f"to {last} is before from {first}", field="to", hint=hint)
    return {
        "first": first and first.isoformat(),
        "last": last and last.isoformat(),
        "severity": severity,
        "type": kind or None,
        "who": who and _BITS[who],
    }


_ALL: Final = filters()

Filters = Annotated[dict[str, object], Depends(filters)]


def routes(gold: GoldClient, answers: Answers) -> APIRouter:
    """The routes of the map."""
    outlines: dict[int, Cached[Answer]] = {}
    router = APIRouter(prefix="/api/map", tags=["map"], responses=ERRORS, route_class=versioned(answers))

    @router.get(
        "/hexagons",
        responses={
            200: {
                "description": "The hexagons; as CSV, Arrow or Parquet also the row of those without a place",
                "model": Hexagons,
                "content": TABULAR,
            }
        },
    )
    async def hexagons(request: Request, chosen: Filters, size: Size = DEFAULT_SIZE, form: Shape = None) -> Response:
        """Crashes by hexagon: how many there were, how many injured, and what the model expected.

        Crashes without coordinates are in no hexagon: `without_place` counts them, and in CSV they have a row of their
        own, without `q` and `r`.
        """
        sql = SQL["map_counted"] + SQL["map_hexagons"]
        answer = await gold.query(sql, limit=_MOST_HEXAGONS, parameters={**chosen, **PARAMETERS, "size": size})
        form = wanted(request, form)
        if form != "json":
            return await as_response(answer, form)
        return Response(await asyncio.to_thread(_encoded, answer, size), media_type=MEDIA["json"])

    @router.get("/crashes", responses={200: {"description": "The crashes", "model": Rows, "content": TABULAR}})
    async def crashes(
        request: Request,
        chosen: Filters,
        since: Annotated[
            NaiveDatetime | None,
            Query(description="crashes after this time, Chicago's", examples=["2025-11-22T23:40:00"]),
        ] = None,
        hexagon: Annotated[
            str | None,
            Query(pattern=r"^-?\d{1,4},-?\d{1,4}$", description="its q and r; needs its size", examples=["11,8"]),
        ] = None,
        size: Size = DEFAULT_SIZE,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        form: Shape = None,
    ) -> Response:
        """The newest crashes, or those of one hexagon, with `risk`: the probability of an injury, by the model.

        `risky` says whether that is at or above the model's threshold; both are null until the crash is scored.
        """
        q, r = map(int, hexagon.split(",")) if hexagon else (None, None)
        parameters = {**chosen, "size": size, "q": q, "r": r, "since": since and since.isoformat(), "offset": offset}
        sql = SQL["map_counted"] + SQL["map_crashes"]
        # One more than asked for says whether there are more.
        answer = await gold.query(sql, limit=limit, parameters={**parameters, "limit": limit + 1})
        return await as_response(answer, wanted(request, form))

    @router.get("/outline", responses={200: {"description": "The hexagons", "model": Rows, "content": TABULAR}})
    async def outline(request: Request, size: Size = DEFAULT_SIZE, form: Shape = None) -> Response:
        """The hexagons in which there ever was a crash, as of a minute ago at most: the shape of the city."""

        async def ask() -> Answer:
            sql = SQL["map_counted"] + SQL["map_outline"]
            return await gold.query(sql, limit=_MOST_HEXAGONS, parameters={**_ALL, "size": size})

        kept = outlines.setdefault(size, Cached(ask, lambda _: _KEEP_OUTLINE_SECONDS))
        return await as_response(await kept(), wanted(request, form))

    @router.get("/types", responses={200: {"description": "The types", "model": Rows, "content": TABULAR}})
    async def types(request: Request, form: Shape = None) -> Response:
        """Each `first_crash_type` there is, the most frequent first."""
        return await as_response(await gold.query(SQL["map_types"]), wanted(request, form))

    return router


def _encoded(answer: Answer, size: int) -> bytes:
    rows = answer.table.to_pylist()
    placed = [row for row in rows if row["q"] is not None]
    crashes = sum(row["crashes"] for row in rows)
    body = {
        "size": size,
        "crashes": crashes,
        "without_place": crashes - sum(row["crashes"] for row in placed),
        "hexagons": placed,
    }
    return to_json(body)
