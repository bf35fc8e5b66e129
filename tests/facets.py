"""What Gold's facets should be, by joining and spelling out all that they abridge."""

from typing import Final

from streams.storage.gold.gold import Gold

_TEXTS: Final = ("weather_condition", "lighting_condition", "first_crash_type", "prim_contributory_cause")
_KINDS: Final = ("PEDESTRIAN", "BICYCLE", "DRIVER", "PASSENGER", "NON-MOTOR VEHICLE", "NON-CONTACT VEHICLE")

_WHO: Final = " + ".join(
    f"{2**place} * (crash_key in (select crash_key from people where person_type = '{kind}'))::integer"
    for place, kind in enumerate(_KINDS)
)
_PLAIN: Final = f"""
    select crash_key, crash_date::date as "day", "hour", day_of_week, posted_speed_limit, veh_count,
        coalesce(hit_and_run_i, false) as hit_and_run, coalesce(injuries_fatal > 0, false) as fatal,
        injury, injury_severe, {_WHO} as who, {", ".join(f"coalesce({name}, 'UNKNOWN') as {name}" for name in _TEXTS)},
        grid_id
    from crashes
"""
_CODED: Final = f"""
    crash_key, "day", "hour", day_of_week, posted_speed_limit, veh_count, hit_and_run, fatal,
    case outcome // 3 when 1 then false when 2 then true end as injury,
    case outcome % 3 when 1 then false when 2 then true end as injury_severe,
    who, {", ".join(f"word_of('{name}', {name}) as {name}" for name in _TEXTS)}, word_of('grid_id', grid_id) as grid_id
"""
_EXPECTED: Final = {
    "crash_facets": (
        f"""
        select plain.*, crash_date, probability as risk, label as risky
        from ({_PLAIN}) plain
        left join (select crash_key, crash_date from crashes) using (crash_key)
        left join (select crash_key, probability, label from scores where target = 'injury') using (crash_key)
        """,
        f"select {_CODED}, crash_date, risk, risky from crash_facets",
    ),
    "people_facets": (
        f"""
        select plain.*, coalesce(person_type, 'UNKNOWN') as person_type,
            coalesce(injury_classification, 'UNKNOWN') as injury_classification, age
        from people join ({_PLAIN}) plain using (crash_key)
        """,
        f"""
        select {_CODED}, word_of('person_type', person_type) as person_type,
            word_of('injury_classification', injury_classification) as injury_classification, age
        from people_facets
        """,
    ),
    "vehicle_facets": (
        f"""
        select plain.*, coalesce(vehicle_type, 'UNKNOWN') as vehicle_type
        from vehicles join ({_PLAIN}) plain using (crash_key)
        where unit_type is null or unit_type not in ('PEDESTRIAN', 'BICYCLE')
        """,
        f"select {_CODED}, word_of('vehicle_type', vehicle_type) as vehicle_type from vehicle_facets",
    ),
    "facet_days": (
        'select distinct crash_date::date as "day" from crashes where crash_date is not null',
        "from facet_days",
    ),
}


def differences(gold: Gold) -> list[str]:
    """Rows of facets that are missing or wrong; none if all is as it should be."""
    found = []
    for name, (expected, held) in _EXPECTED.items():
        for what, rows in (
            ("missing", f"({expected}) except all ({held})"),
            ("wrong", f"({held}) except all ({expected})"),
        ):
            found += [f"{name}: {what} {row}" for row in gold.query(rows).table.to_pylist()]
    words = "select facet, code from facet_words group by all having count(*) > 1"
    return found + [f"facet_words: twice {row}" for row in gold.query(words).table.to_pylist()]
