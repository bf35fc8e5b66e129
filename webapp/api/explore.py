"""`GET /api/explore/{figure}`: crashes in numbers, by time, place, conditions, cause and outcome."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from streams.storage.gold.client import GoldClient
from webapp.api.answers import TABULAR, Format, as_response, wanted
from webapp.api.gold import Rows
from webapp.errors import ERRORS
from webapp.explore.choice import Choice
from webapp.explore.figures import FIGURES, Figure, Name
from webapp.versioned import Answers, versioned

_MOST = 100_000


class Asked(Choice):
    """The filters of a figure, and the form of its answer."""

    form: Format | None = Field(None, alias="format", description="or say it with the header Accept")


class FigureColumn(BaseModel):
    """A column of a figure's answer."""

    name: str
    meaning: str


class FigureCard(BaseModel):
    """A figure that can be asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "hours",
                    "title": "Hour of day",
                    "says": "Crashes and injury rate by the hour they began in, Chicago time.",
                    "columns": [{"name": "hour", "meaning": "as in Gold"}],
                }
            ]
        }
    )

    name: str = Field(description="as in `GET /api/explore/{figure}`")
    title: str
    says: str = Field(description="what it shows")
    columns: list[FigureColumn]


def routes(gold: GoldClient, answers: Answers) -> APIRouter:
    """The figures, each with the same filters."""
    router = APIRouter(prefix="/api/explore", tags=["explore"], responses=ERRORS, route_class=versioned(answers))
    tabular: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The rows, as JSON, CSV, Arrow or Parquet",
            "model": Rows,
            "content": TABULAR,
        }
    }

    @router.get("")
    async def figures() -> list[FigureCard]:
        """Every figure, with the columns of its answer."""
        return [_card(name, figure) for name, figure in FIGURES.items()]

    @router.get("/{figure}", responses=tabular)
    async def figure(
        request: Request,
        figure: Annotated[Name, Path(description="what to count by: GET /api/explore lists them")],
        asked: Annotated[Asked, Query()],
    ) -> Response:
        """The rows of a figure, over the crashes that meet all filters.

        `compare_from` and `compare_to` add the rows of a second period, which the other filters apply to as well;
        `per_day` makes periods of different length comparable. A crash whose injuries are not known yet is in no rate.
        """
        sql, parameters = FIGURES[figure].question(asked)
        answer = await gold.query(sql, limit=_MOST, parameters=parameters)
        return await as_response(answer, wanted(request, asked.form))

    return router


def _card(name: str, figure: Figure) -> FigureCard:
    columns = [FigureColumn(name=column, meaning=meaning) for column, meaning in figure.described.items()]
    return FigureCard(name=name, title=figure.title, says=figure.says, columns=columns)
