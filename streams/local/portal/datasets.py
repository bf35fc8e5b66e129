"""The three published datasets: their ids, row keys and typed columns, in the order the portal lists them."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """The SODA types that occur in these datasets."""

    TEXT = "text"
    NUMBER = "number"
    CALENDAR_DATE = "calendar_date"
    POINT = "point"
    BOOLEAN = "checkbox"
    FIXED_TIMESTAMP = "fixed_timestamp"
    ROW_ID = "row_identifier"
    ROW_VERSION = "row_version"


SYSTEM_COLUMNS = {
    ":id": Type.ROW_ID,
    ":created_at": Type.FIXED_TIMESTAMP,
    ":updated_at": Type.FIXED_TIMESTAMP,
    ":version": Type.ROW_VERSION,
}


@dataclass(frozen=True)
class Dataset:
    """One published table. ``key`` is the column that identifies a row in the city's own records."""

    id: str
    name: str
    title: str
    key: str
    columns: dict[str, Type]


# Headings of the CSV export are the API names in capitals, with these exceptions.
HEADINGS = {"private_property_i": "NOT_RIGHT_OF_WAY_I", "bac_result_value": "BAC_RESULT VALUE"}


def heading(field: str) -> str:
    """The column's display name."""
    return HEADINGS.get(field, field.upper())


# The portal describes its columns in a sentence or two; here, those that hold the tables together.
DESCRIPTIONS = {
    "crash_record_id": "This number can be used to link to the same crash in the other tables of traffic crashes.",
    "crash_date": "Date and time of crash as entered by the reporting officer",
    "crash_unit_id": "A unique identifier for each vehicle record.",
    "vehicle_id": "Links a person to the vehicle they were in; empty for those who were in none.",
    "person_id": "A unique identifier for each person record. IDs that begin with P are passengers.",
    "posted_speed_limit": "Posted speed limit, as determined by reporting officer",
    "injuries_total": "Total persons sustaining fatal, incapacitating, non-incapacitating, and possible injuries",
}


_MARKS = {"#": Type.NUMBER, "@": Type.CALENDAR_DATE, "&": Type.POINT, "": Type.TEXT}


def _columns(listing: str) -> dict[str, Type]:
    """Read ``name`` (text), ``name#`` (number), ``name@`` (calendar date) and ``name&`` (point)."""
    return {name: _MARKS[mark] for name, mark in re.findall(r"(\w+)([#@&]?)", listing)}


CRASHES = Dataset(
    id="85ca-t3if",
    name="crashes",
    title="Traffic Crashes - Crashes",
    key="crash_record_id",
    columns=_columns("""
        crash_record_id crash_date_est_i crash_date@ posted_speed_limit# traffic_control_device device_condition
        weather_condition lighting_condition first_crash_type trafficway_type lane_cnt# alignment
        roadway_surface_cond road_defect report_type crash_type intersection_related_i private_property_i
        hit_and_run_i damage date_police_notified@ prim_contributory_cause sec_contributory_cause street_no#
        street_direction street_name beat_of_occurrence# photos_taken_i statements_taken_i dooring_i work_zone_i
        work_zone_type workers_present_i num_units# most_severe_injury injuries_total# injuries_fatal#
        injuries_incapacitating# injuries_non_incapacitating# injuries_reported_not_evident#
        injuries_no_indication# injuries_unknown# crash_hour# crash_day_of_week# crash_month# latitude#
        longitude# location&"""),
)

VEHICLES = Dataset(
    id="68nd-jvt3",
    name="vehicles",
    title="Traffic Crashes - Vehicles",
    key="crash_unit_id",
    columns=_columns("""
        crash_unit_id# crash_record_id crash_date@ unit_no# unit_type num_passengers# vehicle_id# cmrc_veh_i make
        model lic_plate_state vehicle_year# vehicle_defect vehicle_type vehicle_use travel_direction maneuver
        towed_i fire_i occupant_cnt# exceed_speed_limit_i towed_by towed_to area_00_i area_01_i area_02_i area_03_i
        area_04_i area_05_i area_06_i area_07_i area_08_i area_09_i area_10_i area_11_i area_12_i area_99_i
        first_contact_point cmv_id# usdot_no ccmc_no ilcc_no commercial_src gvwr carrier_name carrier_state
        carrier_city hazmat_placards_i hazmat_name un_no hazmat_present_i hazmat_report_i hazmat_report_no
        mcs_report_i mcs_report_no hazmat_vio_cause_crash_i mcs_vio_cause_crash_i idot_permit_no wide_load_i
        trailer1_width trailer2_width trailer1_length# trailer2_length# total_vehicle_length# axle_cnt#
        vehicle_config cargo_body_type load_type hazmat_out_of_service_i mcs_out_of_service_i hazmat_class"""),
)

PEOPLE = Dataset(
    id="u6pd-qa9d",
    name="people",
    title="Traffic Crashes - People",
    key="person_id",
    columns=_columns("""
        person_id person_type crash_record_id vehicle_id# crash_date@ seat_no# city state zipcode sex age#
        drivers_license_state drivers_license_class safety_equipment airbag_deployed ejection
        injury_classification hospital ems_agency ems_run_no driver_action driver_vision physical_condition
        pedpedal_action pedpedal_visibility pedpedal_location bac_result bac_result_value# cell_phone_use"""),
)

DATASETS = {dataset.name: dataset for dataset in (CRASHES, VEHICLES, PEOPLE)}
BY_ID = {dataset.id: dataset for dataset in DATASETS.values()}
