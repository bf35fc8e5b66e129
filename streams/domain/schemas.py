"""The three tables: every column, its type in Gold, and the numbers that are possible.

The portal publishes every value as text. Bronze and Silver keep that text; Gold is typed by this table.
Types and ranges are those of the portal's metadata and of the junk known to be in it (lanes 99, model year 9999,
speed limit 0); nothing here is inferred from rows, so a sparse column cannot vanish.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import polars as pl

from streams.records import Dataset


class Kind(Enum):
    """What a column's text means; the value is its type in Gold."""

    TEXT = "VARCHAR"
    FLAG = "BOOLEAN"
    INTEGER = "INTEGER"
    BIGINT = "BIGINT"
    REAL = "DOUBLE"
    TIME = "TIMESTAMP"
    POINT = 'STRUCT("type" VARCHAR, coordinates DOUBLE[])'


@dataclass(frozen=True)
class Column:
    """A column of the portal; numbers outside [low, high] are impossible."""

    name: str
    kind: Kind
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True)
class Table:
    """A dataset of the portal: its id there, its primary key, its columns in the portal's order."""

    dataset: Dataset
    portal_id: str
    key: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(column.name for column in self.columns)


def _text(names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.TEXT) for name in names.split())


def _flags(names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.FLAG) for name in names.split())


def _integers(names: str, low: float, high: float) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.INTEGER, low, high) for name in names.split())


# What may be said of a place in the city; anything else is a coordinate of nowhere (0, 0) or of another town.
LATITUDES: Final = (41.6, 42.1)
LONGITUDES: Final = (-87.95, -87.5)

CRASHES: Final = Table(
    "crashes",
    "85ca-t3if",
    "crash_record_id",
    (
        *_text("crash_record_id"),
        *_flags("crash_date_est_i"),
        Column("crash_date", Kind.TIME),
        *_integers("posted_speed_limit", 1, 70),
        *_text("traffic_control_device device_condition weather_condition lighting_condition"),
        *_text("first_crash_type trafficway_type"),
        *_integers("lane_cnt", 0, 20),
        *_text("alignment roadway_surface_cond road_defect report_type crash_type"),
        *_flags("intersection_related_i private_property_i hit_and_run_i"),
        *_text("damage"),
        Column("date_police_notified", Kind.TIME),
        *_text("prim_contributory_cause sec_contributory_cause"),
        *_integers("street_no", 0, 99_999),
        *_text("street_direction street_name"),
        *_integers("beat_of_occurrence", 1, 9_999),
        *_flags("photos_taken_i statements_taken_i dooring_i work_zone_i"),
        *_text("work_zone_type"),
        *_flags("workers_present_i"),
        *_integers("num_units", 1, 99),
        *_text("most_severe_injury"),
        *_integers("injuries_total injuries_fatal injuries_incapacitating injuries_non_incapacitating", 0, 999),
        *_integers("injuries_reported_not_evident injuries_no_indication injuries_unknown", 0, 999),
        *_integers("crash_hour", 0, 23),
        *_integers("crash_day_of_week", 1, 7),
        *_integers("crash_month", 1, 12),
        Column("latitude", Kind.REAL, *LATITUDES),
        Column("longitude", Kind.REAL, *LONGITUDES),
        Column("location", Kind.POINT),
    ),
)

VEHICLES: Final = Table(
    "vehicles",
    "68nd-jvt3",
    "crash_unit_id",
    (
        Column("crash_unit_id", Kind.BIGINT),
        *_text("crash_record_id"),
        Column("crash_date", Kind.TIME),
        *_integers("unit_no", 0, 99),
        *_text("unit_type"),
        *_integers("num_passengers", 0, 98),
        Column("vehicle_id", Kind.BIGINT),
        *_flags("cmrc_veh_i"),
        *_text("make model lic_plate_state"),
        # The upper end is the model year that a car may carry in its crash's year: see clean.
        *_integers("vehicle_year", 1901, 9998),
        *_text("vehicle_defect vehicle_type vehicle_use travel_direction maneuver"),
        *_flags("towed_i fire_i"),
        *_integers("occupant_cnt", 0, 98),
        *_flags("exceed_speed_limit_i"),
        *_text("towed_by towed_to"),
        *_flags("area_00_i area_01_i area_02_i area_03_i area_04_i area_05_i area_06_i area_07_i"),
        *_flags("area_08_i area_09_i area_10_i area_11_i area_12_i area_99_i"),
        *_text("first_contact_point"),
        Column("cmv_id", Kind.BIGINT),
        *_text("usdot_no ccmc_no ilcc_no commercial_src gvwr carrier_name carrier_state carrier_city"),
        *_flags("hazmat_placards_i"),
        *_text("hazmat_name un_no"),
        *_flags("hazmat_present_i hazmat_report_i"),
        *_text("hazmat_report_no"),
        *_flags("mcs_report_i"),
        *_text("mcs_report_no"),
        *_flags("hazmat_vio_cause_crash_i mcs_vio_cause_crash_i"),
        *_text("idot_permit_no"),
        *_flags("wide_load_i"),
        *_text("trailer1_width trailer2_width"),
        *_integers("trailer1_length trailer2_length total_vehicle_length", 1, 300),
        *_integers("axle_cnt", 1, 30),
        *_text("vehicle_config cargo_body_type load_type"),
        *_flags("hazmat_out_of_service_i mcs_out_of_service_i"),
        *_text("hazmat_class"),
    ),
)

PEOPLE: Final = Table(
    "people",
    "u6pd-qa9d",
    "person_id",
    (
        *_text("person_id person_type crash_record_id"),
        Column("vehicle_id", Kind.BIGINT),
        Column("crash_date", Kind.TIME),
        *_integers("seat_no", 1, 12),
        *_text("city state zipcode sex"),
        *_integers("age", 0, 110),
        *_text("drivers_license_state drivers_license_class safety_equipment airbag_deployed ejection"),
        *_text("injury_classification hospital ems_agency ems_run_no driver_action driver_vision"),
        *_text("physical_condition pedpedal_action pedpedal_visibility pedpedal_location bac_result"),
        Column("bac_result_value", Kind.REAL, 0, 1),
        *_text("cell_phone_use"),
    ),
)

TABLES: Final[Mapping[Dataset, Table]] = {"crashes": CRASHES, "vehicles": VEHICLES, "people": PEOPLE}

# The portal's own bookkeeping of a row. It decides which of two rows wins, and is not content.
SYSTEM: Final = (":id", ":created_at", ":updated_at", ":version")

# Columns that the portal sends and this table does not know, as one JSON object; null where there are none.
EXTRA: Final = "extra"

# Ours, kept with each row of Silver: true where the row is no more in this month (a tombstone), and the Bronze object
# that it came from.
GONE: Final = ":gone"
SOURCE: Final = ":source"

POINT: Final = pl.Struct({"type": pl.String(), "coordinates": pl.List(pl.Float64())})


def published(table: Table) -> dict[str, pl.DataType]:
    """Schema of rows as published: text in every column but `location`, then SYSTEM, EXTRA, GONE and SOURCE."""
    schema: dict[str, pl.DataType] = {
        column.name: POINT if column.kind is Kind.POINT else pl.String() for column in table.columns
    }
    return schema | {name: pl.String() for name in (*SYSTEM, EXTRA)} | {GONE: pl.Boolean(), SOURCE: pl.String()}


def silver_schema() -> dict[str, pl.DataType]:
    """Schema of a Silver month: a row a crash_record_id.

    `crash` is null while only vehicles or people of that crash are known; both lists are ordered by their key.
    """
    return {
        "crash_record_id": pl.String(),
        "crash": pl.Struct(published(CRASHES)),
        "vehicles": pl.List(pl.Struct(published(VEHICLES))),
        "people": pl.List(pl.Struct(published(PEOPLE))),
    }
