"""`GET /api/model/form|example`: what a prediction can be asked with, and a crash of Gold that is filled in."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

import polars as pl
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from models.features import FEATURES, KEY
from streams.domain.schemas import TABLES, Kind
from streams.errors import RowMissing
from streams.records import Dataset, Target
from streams.storage.gold.answer import Answer
from streams.storage.gold.client import GoldClient
from webapp.api.answers import MEDIA, as_response, wanted
from webapp.api.gold import Shape
from webapp.api.predict import TargetQuery, UsedModel, VersionQuery, as_arrow, used
from webapp.errors import ERRORS, ErrorEnvelope
from webapp.models import Models
from webapp.queries import SQL

if TYPE_CHECKING:
    from models.model import Model

Group = Literal["when and where", "road and weather", "what happened", "report", "vehicles", "people"]

_KINDS: Final[Mapping[Kind, str]] = {
    Kind.FLAG: "flag",
    Kind.INTEGER: "number",
    Kind.BIGINT: "number",
    Kind.REAL: "number",
    Kind.TIME: "time",
    Kind.TEXT: "text",
}
_COLUMNS: Final = {(table.dataset, column.name): column for table in TABLES.values() for column in table.columns}

# Every column that a feature is made of, in the order of a form: what most asks for it comes first.
_LABELS: Final[Mapping[tuple[Dataset, Group], Mapping[str, str]]] = {
    ("crashes", "when and where"): {
        "crash_date": "Date and time",
        "beat_of_occurrence": "Police beat",
        "street_name": "Street",
        "street_direction": "Side of the city",
        "latitude": "Latitude",
        "longitude": "Longitude",
    },
    ("crashes", "road and weather"): {
        "weather_condition": "Weather",
        "lighting_condition": "Light",
        "roadway_surface_cond": "Road surface",
        "posted_speed_limit": "Speed limit, mph",
        "trafficway_type": "Kind of road",
        "traffic_control_device": "Sign or signal",
        "device_condition": "State of the sign or signal",
        "alignment": "Course of the road",
        "road_defect": "Defect of the road",
        "lane_cnt": "Lanes",
        "intersection_related_i": "At an intersection",
        "work_zone_i": "In a work zone",
        "private_property_i": "Not on a public road",
    },
    ("crashes", "what happened"): {
        "first_crash_type": "What hit what first",
        "num_units": "Units involved",
        "prim_contributory_cause": "Main cause",
        "sec_contributory_cause": "Second cause",
        "damage": "Estimated damage",
        "hit_and_run_i": "Somebody drove away",
        "dooring_i": "A door was opened into somebody's way",
    },
    ("crashes", "report"): {
        "report_type": "How it was reported",
        "date_police_notified": "When the police were told",
        "photos_taken_i": "Photos were taken",
        "statements_taken_i": "Statements were taken",
    },
    ("vehicles", "vehicles"): {
        "vehicle_type": "Kind",
        "maneuver": "What it did",
        "first_contact_point": "First hit",
        "unit_type": "Unit",
        "vehicle_year": "Model year",
        "occupant_cnt": "People inside",
        "vehicle_defect": "Defect",
        "towed_i": "Towed away",
        "exceed_speed_limit_i": "Over the limit",
        "cmrc_veh_i": "Commercial",
        "fire_i": "On fire",
        **{f"area_{number:02d}_i": f"Damaged area {number}" for number in range(1, 13)},
    },
    ("people", "people"): {
        "person_type": "Who",
        "age": "Age",
        "sex": "Sex",
        "safety_equipment": "Belt, seat or helmet",
        "airbag_deployed": "Airbag",
        "ejection": "Thrown out",
        "physical_condition": "State before",
        "driver_action": "What the driver did",
        "driver_vision": "What the driver saw",
        "bac_result": "Test of alcohol",
        "bac_result_value": "Blood alcohol, g in 100 ml",
    },
}

# Of vehicles and people a model knows counts of these values alone; whatever else is published counts as none of them.
_TOLD_APART: Final[Mapping[str, tuple[str, ...]]] = {
    "vehicle_type": (
        "PASSENGER",
        "SPORT UTILITY VEHICLE (SUV)",
        "VAN/MINI-VAN",
        "PICKUP",
        "TRUCK - SINGLE UNIT",
        "TRACTOR W/ SEMI-TRAILER",
        "BUS OVER 15 PASS.",
        "BUS UP TO 15 PASS.",
        "MOTORCYCLE (OVER 150CC)",
        "MOPED OR MOTORIZED BICYCLE",
        "OTHER",
    ),
    "unit_type": ("DRIVER", "PARKED", "DRIVERLESS", "PEDESTRIAN", "BICYCLE"),
    "maneuver": (
        "STRAIGHT AHEAD",
        "TURNING LEFT",
        "U-TURN",
        "BACKING",
        "SLOW/STOP IN TRAFFIC",
        "SKIDDING/CONTROL LOSS",
        "OTHER",
    ),
    "first_contact_point": ("FRONT", "SIDE-LEFT", "SIDE-RIGHT", "REAR", "TOTAL (ALL AREAS)"),
    "vehicle_defect": ("NONE", "BRAKES", "TIRES", "STEERING", "OTHER"),
    "person_type": ("DRIVER", "PASSENGER", "PEDESTRIAN", "BICYCLE", "NON-MOTOR VEHICLE"),
    "sex": ("F", "M", "X"),
    "safety_equipment": (
        "SAFETY BELT USED",
        "SAFETY BELT NOT USED",
        "CHILD RESTRAINT USED",
        "CHILD RESTRAINT NOT USED",
        "HELMET USED",
        "HELMET NOT USED",
        "NONE PRESENT",
        "USAGE UNKNOWN",
    ),
    "airbag_deployed": (
        "DID NOT DEPLOY",
        "DEPLOYED, FRONT",
        "DEPLOYED, SIDE",
        "DEPLOYED, COMBINATION",
        "DEPLOYMENT UNKNOWN",
        "NOT APPLICABLE",
    ),
    "ejection": ("NONE", "PARTIALLY EJECTED", "TOTALLY EJECTED", "TRAPPED/EXTRICATED"),
    "physical_condition": (
        "NORMAL",
        "HAD BEEN DRINKING",
        "IMPAIRED - ALCOHOL",
        "IMPAIRED - DRUGS",
        "FATIGUED/ASLEEP",
        "EMOTIONAL",
        "ILLNESS/FAINTED",
    ),
    "driver_action": (
        "NONE",
        "FAILED TO YIELD",
        "TOO FAST FOR CONDITIONS",
        "FOLLOWED TOO CLOSELY",
        "DISREGARDED CONTROL DEVICES",
        "OTHER",
    ),
    "driver_vision": ("NOT OBSCURED", "MOVING VEHICLES", "PARKED VEHICLES", "BLINDED - SUNLIGHT", "OTHER"),
    "bac_result": (
        "TEST NOT OFFERED",
        "TEST TAKEN",
        "TEST REFUSED",
        "TEST PERFORMED, RESULTS UNKNOWN",
    ),
}
# Features made of no column but the row itself.
_USES: Final = {
    feature.name: (feature.table, frozenset(feature.expr.meta.root_names()) - {KEY}) for feature in FEATURES
}


class FormField(BaseModel):
    """A column that a prediction may be asked with; every one may be left out, and counts as not known then."""

    table: Dataset = Field(description="of `vehicles` and `people` there may be many rows")
    name: str = Field(description="the column, as POST /api/model/predict takes it")
    group: Group
    label: str = Field(description="in plain words")
    kind: Literal["time", "number", "flag", "text", "category"]
    low: float | None = Field(description="of a number, the least that is possible")
    high: float | None = Field(description="the most")
    choices: list[str] | None = Field(
        description="of a category, the values that the model tells apart; others count as rare ones do"
    )


class Form(BaseModel):
    """What a model can be asked with: only what it looks at."""

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
                    "fields": [
                        {
                            "table": "crashes",
                            "name": "posted_speed_limit",
                            "group": "road and weather",
                            "label": "Speed limit, mph",
                            "kind": "number",
                            "low": 1,
                            "high": 70,
                            "choices": None,
                        }
                    ],
                }
            ]
        }
    )

    model: UsedModel
    fields: list[FormField]


class Example(BaseModel):
    """A crash of Gold as POST /api/model/predict takes it, and what came of it; what is not known is left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "crash_record_id": "4f1a…",
                    "crash": {
                        "crash_record_id": "4f1a…",
                        "crash_date": "2025-11-22T23:40:00",
                        "posted_speed_limit": 30,
                        "vehicles": [{"vehicle_type": "PASSENGER"}],
                        "people": [{"person_type": "DRIVER", "age": 41}],
                    },
                    "outcomes": {"injury": False, "injury_severe": False},
                }
            ]
        }
    )

    crash_record_id: str
    crash: dict[str, Any]
    outcomes: dict[Target, bool | None] = Field(description="null while it is not known")


def routes(models: Models, gold: GoldClient) -> APIRouter:
    """The routes that say what to ask a model with."""
    absent: dict[int | str, dict[str, Any]] = {
        404: {"model": ErrorEnvelope, "description": "no such model, none serves yet, or no such crash"}
    }
    router = APIRouter(prefix="/api/model", tags=["model"], responses={**ERRORS, **absent})

    @router.get("/form")
    async def form(target: TargetQuery = None, version: VersionQuery = None) -> Form:
        """What the model can be asked with, in the order of a form: columns, their limits, and what to choose from."""
        model = await models.find(target, version)
        return Form(model=used(model), fields=list(_fields(model)))

    @router.get("/example", responses={200: {"model": Example, "content": {MEDIA["csv"]: {}}}})
    async def example(
        request: Request,
        crash_record_id: Annotated[
            str | None, Query(pattern=r"^[^,]{1,128}$", description="leave out for the newest crash")
        ] = None,
        target: TargetQuery = None,
        version: VersionQuery = None,
        form: Shape = None,
    ) -> Response:
        """A crash of Gold with what the model looks at. As CSV it is a template for many: a header and the crash."""
        model = await models.find(target, version)
        crash = await _frame(gold, "newest_crashes", 1, id=crash_record_id)
        if crash.is_empty():
            raise RowMissing(
                f"Gold has no crash {crash_record_id}" if crash_record_id else "Gold has no crash yet",
                field="crash_record_id",
                hint="GET /api/gold/peek lists the newest" if crash_record_id else "ask for a copy of some days first",
            )
        shape = wanted(request, form)
        columns = {dataset: [KEY, *sorted(names)] for dataset, names in _looked_at(model).items()}
        if shape != "json":
            return await as_response(Answer(as_arrow(crash.select(columns["crashes"])), truncated=False), shape)
        children: dict[Dataset, pl.DataFrame] = {
            "vehicles": await _frame(gold, "model_vehicles", 200, ids=crash[KEY][0]),
            "people": await _frame(gold, "model_people", 200, ids=crash[KEY][0]),
        }
        row: dict[str, Any] = _told(crash.select(columns["crashes"]))[0]
        for dataset, rows in children.items():
            if dataset in columns:
                row[dataset] = _told(rows.select(columns[dataset][1:]))
        outcomes: dict[Target, bool | None] = {"injury": crash["injury"][0], "injury_severe": crash["injury_severe"][0]}
        body = Example(crash_record_id=crash[KEY][0], crash=row, outcomes=outcomes)
        return Response(to_json(body), media_type=MEDIA["json"])

    return router


def _fields(model: "Model") -> Iterator[FormField]:
    looked_at = _looked_at(model)
    levels = {part.name: sorted({*part.levels, *part.rare}) for part in model.encoding.parts if part.kind == "category"}
    for (dataset, group), labels in _LABELS.items():
        for name, label in labels.items():
            if name not in looked_at.get(dataset, ()):
                continue
            column = _COLUMNS[dataset, name]
            choices = levels.get(name) if dataset == "crashes" else list(_TOLD_APART.get(name, ())) or None
            yield FormField(
                table=dataset,
                name=name,
                group=group,
                label=label,
                kind=cast(Any, "category" if choices else _KINDS[column.kind]),
                low=column.low if isfinite(column.low) else None,
                high=column.high if isfinite(column.high) else None,
                choices=choices,
            )


def _looked_at(model: "Model") -> dict[Dataset, set[str]]:
    """The columns of each table that the model's features are made of; a table of which rows are counted has a key."""
    found: dict[Dataset, set[str]] = {"crashes": {"crash_date"}}
    for name in model.features:
        dataset, columns = _USES[name]
        # A vehicle's age needs the date of its crash, which a row has once for all.
        found.setdefault(dataset, set()).update(columns - ({"crash_date"} if dataset != "crashes" else set()))
    return found


async def _frame(gold: GoldClient, name: str, limit: int, **parameters: str | None) -> pl.DataFrame:
    answer = await gold.query(SQL[name], limit=limit, parameters=parameters)
    return cast(pl.DataFrame, pl.from_arrow(answer.table))


def _told(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows without what is not known."""
    return [
        {name: _plain(value) for name, value in row.items() if value is not None} for row in rows.iter_rows(named=True)
    ]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
