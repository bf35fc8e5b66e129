"""`POST /api/model/predict`: how probable an outcome is, by a model, and why."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import polars as pl
import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json, to_json

from models.features import FEATURES, KEY, build
from models.inputs import MOST_ROWS, Inputs, from_csv, from_rows
from monitoring.metrics import PREDICTIONS
from streams.errors import RequestError
from streams.records import Algorithm, Target, Tier
from streams.storage.gold.answer import Answer
from webapp.api.answers import MEDIA, Format, as_response, wanted
from webapp.api.gold import Shape
from webapp.api.model import VERSION
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.models import Models

if TYPE_CHECKING:
    from models.model import Model

MOST_BYTES: Final = 64 * 1024 * 1024
MOST_EXPLAINED: Final = 50
# Impossible values that are listed.
_SHOWN: Final = 100

# The columns that each feature is made of, as `Inputs` names them. A vehicle has the date of its crash.
_COLUMNS: Final = {
    feature.name: [
        name if feature.table == "crashes" else f"{feature.table}.{name}"
        for name in feature.expr.meta.root_names()
        if name != KEY and (feature.table, name) != ("vehicles", "crash_date")
    ]
    for feature in FEATURES
}
_BRANCHES: Final = {feature.name: feature.table for feature in FEATURES if feature.table != "crashes"}

TargetQuery = Annotated[Target | None, Query(description="whose serving model answers; injury where left out")]
VersionQuery = Annotated[
    str | None, Query(pattern=VERSION, description="a model by its version; leave out for the serving one")
]
ExplainQuery = Annotated[int, Query(ge=0, le=MOST_EXPLAINED, description="features that count most, for each row")]


class UsedModel(BaseModel):
    """The model that answered."""

    version: str
    target: Target
    tier: Tier
    algorithm: Algorithm
    threshold: float = Field(description="probabilities from here on have the label true")


class Contribution(BaseModel):
    """How much a feature moved the probability of a row up or down, in log-odds before calibration."""

    feature: str
    contribution: float
    value: str | None = Field(description="what the feature was, as text; null where it was not known")


class Prediction(BaseModel):
    """What the model says of a row."""

    row: int = Field(description="its place in the request, from 0")
    crash_record_id: str | None = Field(description="as given")
    probability: float
    label: bool
    contributions: list[Contribution] | None = Field(None, description="the largest by size; with `explain` alone")


class ImpossibleValue(BaseModel):
    """A value that its column cannot have; it counted as not known."""

    field: str
    value: str


class Findings(BaseModel):
    """What the rows had and lacked. Columns of vehicles and people are named `vehicles.make`, `people.age`."""

    missing_columns: list[str] = Field(description="what the model looks at and no row has; it counted as not known")
    unknown_columns: list[str] = Field(description="columns that nobody knows; they counted for nothing")
    ignored_columns: dict[str, str] = Field(description="columns that were not looked at, with the reason")
    unknown_categories: dict[str, list[str]] = Field(description="by feature; they counted as other rare ones do")
    impossible_values: list[ImpossibleValue] = Field(description=f"the first {_SHOWN}")


class Predictions(BaseModel):
    """A prediction for each row, in order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": {
                        "version": "injury-report-lightgbm-20260601t030000-0f6c1f0e",
                        "target": "injury",
                        "tier": "report",
                        "algorithm": "lightgbm",
                        "threshold": 0.31,
                    },
                    "predictions": [
                        {
                            "row": 0,
                            "crash_record_id": None,
                            "probability": 0.87,
                            "label": True,
                            "contributions": [{"feature": "pedestrians", "contribution": 2.1, "value": "1"}],
                        }
                    ],
                    "findings": {
                        "missing_columns": ["damage"],
                        "unknown_columns": [],
                        "ignored_columns": {"crash_type": "it is written after the outcome and says it"},
                        "unknown_categories": {"weather_condition": ["HOT"]},
                        "impossible_values": [{"field": "lane_cnt", "value": "99"}],
                    },
                }
            ]
        }
    )

    model: UsedModel
    predictions: list[Prediction]
    findings: Findings


_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "description": "A crash, with any of the portal's columns, as published or typed; or `rows` alone.",
                "properties": {
                    "vehicles": {"type": "array", "description": "the crash's vehicles, with any of their columns"},
                    "people": {"type": "array", "description": "the crash's people, with any of their columns"},
                    "rows": {"type": "array", "description": f"instead of one crash up to {MOST_ROWS:,}"},
                },
                "additionalProperties": True,
                "examples": [
                    {
                        "crash_date": "2026-06-01T17:40:00",
                        "posted_speed_limit": 30,
                        "weather_condition": "RAIN",
                        "first_crash_type": "PEDESTRIAN",
                        "vehicles": [{"vehicle_type": "PASSENGER"}],
                        "people": [{"person_type": "DRIVER", "age": 41}, {"person_type": "PEDESTRIAN", "age": 9}],
                    },
                    {"rows": [{"crash_record_id": "4f1a", "crash_date": "2026-06-01T17:40:00"}]},
                ],
            }
        },
        "text/csv": {
            "schema": {"type": "string"},
            "example": "crash_date,posted_speed_limit\n2026-06-01T17:40:00,30\n",
        },
    },
}


def routes(models: Models) -> APIRouter:
    """The route that predicts for rows that somebody sends."""
    absent: dict[int | str, dict[str, Any]] = {
        404: {"model": ErrorEnvelope, "description": "no model of that version, or none serves yet"}
    }
    router = APIRouter(prefix="/api/model", tags=["model"], responses={**ERRORS, **absent})

    @router.post(
        "/predict",
        openapi_extra={"requestBody": _BODY},
        responses={
            200: {"model": Predictions, "content": {MEDIA["csv"]: {}, MEDIA["arrow"]: {}, MEDIA["parquet"]: {}}}
        },
    )
    async def predict(
        request: Request,
        target: TargetQuery = None,
        version: VersionQuery = None,
        explain: ExplainQuery = 0,
        form: Shape = None,
    ) -> Response:
        """How probable the outcome of one crash or many is: a row, `{"rows": […]}`, or CSV with a header.

        A row has the columns of the portal, as published or typed, and may have its `vehicles` and `people` as lists.
        It is cleaned as Gold's rows are, and the answer says what was missing, unknown or left aside. As CSV, Arrow or
        Parquet it has the predictions alone.
        """
        model = await models.find(target, version)
        as_csv = _is_csv(request)
        body = await _body(request)
        inputs, scores, findings = await asyncio.to_thread(_predict, model, body, as_csv, explain)
        return await _predictions(model, inputs, scores, findings, wanted(request, form))

    return router


def _is_csv(request: Request) -> bool:
    media = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if media not in ("application/json", "text/csv"):
        raise ApiError(
            415,
            "unsupported-media-type",
            f"a body of {media} is not read",
            field="Content-Type",
            hint="send application/json or text/csv",
        )
    return media == "text/csv"


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            hint = f"send at most {MOST_BYTES >> 20} MiB and {MOST_ROWS:,} rows at a time"
            raise ApiError(413, "too-large", "the body is too large", hint=hint)
    return bytes(body)


def _predict(model: "Model", body: bytes, as_csv: bool, explain: int) -> tuple[Inputs, pl.DataFrame, Findings]:
    inputs = from_csv(body) if as_csv else _from_json(body)
    frames = inputs.frames
    features = build(frames.crashes, frames.vehicles, frames.people)
    findings = Findings(
        missing_columns=_missing(model, inputs),
        unknown_columns=list(inputs.unknown),
        ignored_columns=dict(inputs.ignored),
        unknown_categories=model.encoding.unknown(features),
        impossible_values=[ImpossibleValue(field=odd.field, value=odd.value) for odd in inputs.impossible[:_SHOWN]],
    )
    return inputs, scored(model, features, explain).sort(KEY), findings


def scored(model: "Model", features: pl.DataFrame, explain: int) -> pl.DataFrame:
    """The scores of rows of `features.build`, in their order; each contribution with the feature's `value` as text."""
    scores = model.score(features, explain)
    PREDICTIONS.labels(model.target).inc(scores.height)
    if not explain:
        return scores
    numbers = pl.col(pl.Float64)
    whole = pl.when(numbers == numbers.round()).then(numbers.cast(pl.Int64, strict=False).cast(pl.String))
    values = (
        features.select(model.features)
        .with_columns(whole.otherwise(numbers.cast(pl.String)))
        .cast(pl.String)
        .with_row_index("row")
        .unpivot(index="row", variable_name="feature", value_name="value")
    )
    found = scores.select("contributions").with_row_index("row").explode("contributions").unnest("contributions")
    told = found.join(values, on=["row", "feature"], how="left", maintain_order="left")
    lists = told.group_by("row", maintain_order=True).agg(contributions=pl.struct("feature", "contribution", "value"))
    return scores.with_columns(lists["contributions"])


def _from_json(body: bytes) -> Inputs:
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RequestError(
            f"the body is no JSON: {error}", hint="send a JSON object, or CSV with Content-Type: text/csv"
        ) from None
    if not isinstance(value, dict):
        raise RequestError("the body is no JSON object", hint='send a crash, or {"rows": [crashes]}')
    if "rows" not in value:
        return from_rows([value], path="")
    if beside := [name for name in value if name != "rows"]:
        raise RequestError(
            f"{beside[0]} beside rows", field=beside[0], hint="target, version and explain go into the address"
        )
    if not isinstance(value["rows"], list):
        raise RequestError("rows: no list", field="rows", hint='send {"rows": [crashes]}')
    return from_rows(value["rows"])


def _missing(model: "Model", inputs: Inputs) -> list[str]:
    """Columns that the model's features are made of and that no row has; a list that no row has, as a whole."""
    there = {column.partition(".")[0] for column in inputs.given}
    missing: dict[str, None] = {}
    for name in model.features:
        if (branch := _BRANCHES.get(name)) and branch not in there:
            missing[branch] = None
        else:
            missing |= dict.fromkeys(column for column in _COLUMNS[name] if column not in inputs.given)
    return list(missing)


async def _predictions(
    model: "Model", inputs: Inputs, scores: pl.DataFrame, findings: Findings, form: Format
) -> Response:
    rows = scores.drop(KEY).insert_column(0, pl.Series("crash_record_id", inputs.ids, pl.String()))
    rows = rows.with_row_index("row")
    if form != "json":
        response = await as_response(Answer(as_arrow(rows), truncated=False), form)
        response.headers["X-Model-Version"] = model.version
        return response

    def encoded() -> bytes:
        return to_json({"model": used(model), "predictions": rows.to_dicts(), "findings": findings})

    return Response(await asyncio.to_thread(encoded), media_type="application/json")


def as_arrow(rows: pl.DataFrame) -> pa.Table:
    """With the types that every reader of Arrow and Parquet knows."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


def used(model: "Model") -> UsedModel:
    """What an answer says of the model behind it."""
    return UsedModel(
        version=model.version,
        target=model.target,
        tier=model.tier,
        algorithm=model.algorithm,
        threshold=model.threshold,
    )
