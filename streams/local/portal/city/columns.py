"""The API columns of the three tables, in the order of the portal's schema."""


def _names(text: str) -> list[str]:
    return text.split()


CRASHES = _names(
    "crash_record_id crash_date_est_i crash_date posted_speed_limit traffic_control_device "
    "device_condition weather_condition lighting_condition first_crash_type trafficway_type lane_cnt "
    "alignment roadway_surface_cond road_defect report_type crash_type intersection_related_i "
    "private_property_i hit_and_run_i damage date_police_notified prim_contributory_cause "
    "sec_contributory_cause street_no street_direction street_name beat_of_occurrence photos_taken_i "
    "statements_taken_i dooring_i work_zone_i work_zone_type workers_present_i num_units "
    "most_severe_injury injuries_total injuries_fatal injuries_incapacitating "
    "injuries_non_incapacitating injuries_reported_not_evident injuries_no_indication injuries_unknown "
    "crash_hour crash_day_of_week crash_month latitude longitude location"
)

VEHICLES = _names(
    "crash_unit_id crash_record_id crash_date unit_no unit_type num_passengers vehicle_id cmrc_veh_i "
    "make model lic_plate_state vehicle_year vehicle_defect vehicle_type vehicle_use travel_direction "
    "maneuver towed_i fire_i occupant_cnt exceed_speed_limit_i towed_by towed_to area_00_i area_01_i "
    "area_02_i area_03_i area_04_i area_05_i area_06_i area_07_i area_08_i area_09_i area_10_i "
    "area_11_i area_12_i area_99_i first_contact_point cmv_id usdot_no ccmc_no ilcc_no commercial_src "
    "gvwr carrier_name carrier_state carrier_city hazmat_placards_i hazmat_name un_no hazmat_present_i "
    "hazmat_report_i hazmat_report_no mcs_report_i mcs_report_no hazmat_vio_cause_crash_i "
    "mcs_vio_cause_crash_i idot_permit_no wide_load_i trailer1_width trailer2_width trailer1_length "
    "trailer2_length total_vehicle_length axle_cnt vehicle_config cargo_body_type load_type "
    "hazmat_out_of_service_i mcs_out_of_service_i hazmat_class"
)

PEOPLE = _names(
    "person_id person_type crash_record_id vehicle_id crash_date seat_no city state zipcode sex age "
    "drivers_license_state drivers_license_class safety_equipment airbag_deployed ejection "
    "injury_classification hospital ems_agency ems_run_no driver_action driver_vision "
    "physical_condition pedpedal_action pedpedal_visibility pedpedal_location bac_result "
    "bac_result_value cell_phone_use"
)

SYSTEM = [":created_at", ":updated_at"]
