"""A crash as a form and an address hold it: texts by name, `vehicles.0.maneuver`, and how many rows there are.

What is not there is not known.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from webapp.components.text import CHICAGO

CHILDREN: Final = ("vehicles", "people")
# More of each than these are no crash that one types in.
MOST: Final = 30
# Twelve boxes of the report, of which only the number counts.
AREAS: Final = "areas"
TICKED: Final = "ticked"
KEPT: Final = "was."

_KEY: Final = re.compile(r"[a-z][a-z0-9_]{1,40}|(vehicles|people)\.\d{1,2}\.[a-z][a-z0-9_]{1,40}")
_AREA: Final = re.compile(r"area_(0[1-9]|1[0-2])_i")

Flat = dict[str, str]


def usual() -> Flat:
    """What a form begins with: two cars on a dry street by day, one driving into the other."""
    at = datetime.now(CHICAGO).replace(minute=0) - timedelta(hours=1)
    driver = {"person_type": "DRIVER", "safety_equipment": "SAFETY BELT USED", "airbag_deployed": "DID NOT DEPLOY"}
    car = {"vehicle_type": "PASSENGER", "unit_type": "DRIVER"}
    return {
        "crash_date": f"{at:%Y-%m-%dT%H:%M}",
        "weather_condition": "CLEAR",
        "lighting_condition": "DAYLIGHT" if 6 <= at.hour < 18 else "DARKNESS, LIGHTED ROAD",
        "roadway_surface_cond": "DRY",
        "posted_speed_limit": "30",
        "trafficway_type": "NOT DIVIDED",
        "first_crash_type": "REAR END",
        "num_units": "2",
        "vehicles": "2",
        **_row("vehicles.0", {**car, "maneuver": "STRAIGHT AHEAD", "first_contact_point": "FRONT"}),
        **_row("vehicles.1", {**car, "maneuver": "SLOW/STOP IN TRAFFIC", "first_contact_point": "REAR"}),
        "people": "2",
        **_row("people.0", driver),
        **_row("people.1", driver),
    }


def of_address(choices: Mapping[str, str]) -> tuple[Flat, Flat | None]:
    """The crash of an address, and the one that is kept beside it; what is none of a crash is left aside."""
    now = {name: value[:200] for name, value in choices.items() if _KEY.fullmatch(name) and value}
    was = {name.removeprefix(KEPT): value[:200] for name, value in choices.items() if name.startswith(KEPT)}
    if not was:
        return now, None
    return now, {name: value for name, value in {**now, **was}.items() if value and _KEY.fullmatch(name)}


def in_address(now: Flat, kept: Flat | None) -> dict[str, str]:
    """What an address says of both; of the kept one, how it differs."""
    if kept is None:
        return dict(now)
    return {**now, **{KEPT + name: kept.get(name, "") for name in differing(now, kept)}}


def differing(now: Flat, kept: Flat) -> list[str]:
    """The names of what is not the same in both."""
    return [name for name in dict.fromkeys((*now, *kept)) if now.get(name) != kept.get(name)]


def rows_of(flat: Flat, table: str) -> int:
    """How many rows of a table the crash has."""
    count = flat.get(table, "")
    return min(int(count), MOST) if count.isdecimal() else 0


def to_send(flat: Flat) -> dict[str, Any]:
    """The crash as POST /api/model/predict takes it."""
    crash: dict[str, Any] = {}
    for table in CHILDREN:
        if count := rows_of(flat, table):
            crash[table] = [{} for _ in range(count)]
    for key, value in flat.items():
        table, _, rest = key.partition(".")
        if not rest:
            if key not in CHILDREN:
                crash[key] = value
            continue
        number, _, name = rest.partition(".")
        if int(number) >= len(crash.get(table, ())):
            continue
        row = crash[table][int(number)]
        if name == AREAS:
            damaged = min(int(value), 12) if value.isdecimal() else 0
            row |= {f"area_{area:02d}_i": "true" for area in range(1, damaged + 1)}
        else:
            row[name] = value
    return crash


def of_gold(crash: Mapping[str, Any]) -> Flat:
    """The crash of `GET /api/model/example`."""
    flat = _row("", {name: value for name, value in crash.items() if name not in (*CHILDREN, "crash_record_id")})
    for table in CHILDREN:
        rows = crash.get(table, [])[:MOST]
        if rows:
            flat[table] = str(len(rows))
        for number, row in enumerate(rows):
            areas = sum(bool(value) for name, value in row.items() if _AREA.fullmatch(name))
            plain = {name: value for name, value in row.items() if not _AREA.fullmatch(name)}
            flat |= _row(f"{table}.{number}", plain | ({AREAS: areas} if areas else {}))
    return flat


def of_controls(controls: Iterable[Mapping[str, Any]], drawn_of: Flat) -> Flat:
    """The crash of the form that was drawn of `drawn_of`: what its controls hold by now, and what has no control.

    A control has its `id` (table, row, name) and its `value`.
    """
    flat = dict(drawn_of)
    for control in controls:
        table, row, name = (control["id"][part] for part in ("table", "row", "name"))
        prefix = f"{table}.{row}" if table in CHILDREN else ""
        value = control.get("value")
        if name == TICKED:
            boxes = [key for key in flat if key.rpartition(".")[0] == prefix and key.endswith("_i")]
            for box in boxes:
                del flat[box]
            flat |= _row(prefix, dict.fromkeys(value or (), True))
        else:
            flat.pop(f"{prefix}.{name}" if prefix else name, None)
            flat |= _row(prefix, {name: value})
    return flat


def without_row(flat: Flat, table: str, gone: int) -> Flat:
    """The crash without a row of a table; those after it move up."""
    left: Flat = {}
    for key, value in flat.items():
        parts = key.split(".")
        if len(parts) == 3 and parts[0] == table:
            number = int(parts[1])
            if number == gone:
                continue
            key = f"{table}.{number - (number > gone)}.{parts[2]}"
        left[key] = value
    count = rows_of(flat, table) - 1
    left.pop(table, None)
    return left | ({table: str(count)} if count > 0 else {})


def _row(prefix: str, values: Mapping[str, Any]) -> Flat:
    told = {name: _text(name, value) for name, value in values.items()}
    return {f"{prefix}.{name}" if prefix else name: value for name, value in told.items() if value}


def _text(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "true"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    # Minutes are enough, and short in an address.
    return text.replace(" ", "T")[:16] if name in ("crash_date", "date_police_notified") else text
