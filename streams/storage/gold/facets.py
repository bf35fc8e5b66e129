"""Crashes, people and vehicles as figures count them: in small numbers, with the crash's own beside each row.

They follow from `crashes`, `vehicles`, `people` and `scores`, in the transaction that changes those. A figure over a
million crashes reads a few bytes of each, and joins nothing: see docs/decisions/0009-facets.md.
"""

# ruff: noqa: S608 -- the names put into SQL here are those of our own tables

from collections.abc import Mapping
from typing import Final

import duckdb

from streams.domain.hexgrid import LATITUDE_METRES, LONGITUDE_METRES, ORIGIN, SIZES

# A column of each of the three tables: its type, and what it is of a row of `crashes`.
_CRASH: Final[Mapping[str, tuple[str, str]]] = {
    "day": ("DATE", "crash_date::date"),
    "hour": ("UTINYINT", '"hour"'),
    "day_of_week": ("UTINYINT", "day_of_week"),
    "posted_speed_limit": ("UTINYINT", "posted_speed_limit"),
    "veh_count": ("INTEGER", "veh_count"),
    "hit_and_run": ("BOOLEAN", "coalesce(hit_and_run_i, false)"),
    "fatal": ("BOOLEAN", "coalesce(injuries_fatal >= 1, false)"),
    # Threes of `injury`, and ones of `injury_severe`: 0 where that is null, 1 where it is false, 2 where it is true.
    "outcome": ("UTINYINT", "3 * coalesce(1 + injury::integer, 0) + coalesce(1 + injury_severe::integer, 0)"),
}
# Texts, by the table that has them: each is the number that `facet_words` gives it.
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "crashes": (
        *("weather_condition", "lighting_condition", "first_crash_type", "prim_contributory_cause"),
        "grid_id",
    ),
    "people": ("person_type", "injury_classification"),
    "vehicles": ("vehicle_type",),
}

# Codes of `outcome`, by what the crash counts as.
OUTCOMES: Final[Mapping[str, tuple[int, ...]]] = {
    "no_injury": (3, 4),
    "injury": (6, 7),
    "severe": (2, 5, 8),
    "unknown": (0, 1),
}
# Bits of `who`, by `person_type`: somebody of it was in the crash.
WHO: Final[Mapping[str, int]] = {
    "PEDESTRIAN": 1,
    "BICYCLE": 2,
    "DRIVER": 4,
    "PASSENGER": 8,
    "NON-MOTOR VEHICLE": 16,
    "NON-CONTACT VEHICLE": 32,
}

_SHARED: Final = {name: kind for name, (kind, _) in _CRASH.items()} | {
    "who": "UTINYINT",
    **dict.fromkeys(_WORDS["crashes"], "UINTEGER"),
    "crash_key": "UUID",
}
_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "crash_facets": _SHARED
    | {"crash_date": "TIMESTAMP"}
    | {f"cell_{size}": "UINTEGER" for size in SIZES}
    | {"risk": "DOUBLE", "risky": "BOOLEAN"},
    "people_facets": _SHARED | dict.fromkeys(_WORDS["people"], "UINTEGER") | {"age": "UTINYINT"},
    "vehicle_facets": _SHARED | dict.fromkeys(_WORDS["vehicles"], "UINTEGER"),
    "facet_days": {"day": "DATE"},
    "facet_words": {"facet": "VARCHAR", "code": "UINTEGER", "word": "VARCHAR"},
}
# Rows that the crash's own facets stand beside.
_BESIDE: Final = {"people": "people_facets", "vehicles": "vehicle_facets"}

_UNKNOWN: Final = "'UNKNOWN'"

_WORD_OF: Final = """
create or replace macro word_of(its_facet, its_code) as (
    select word from facet_words where facet = its_facet and code = its_code
)
"""


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables and fill them, where they are missing or of another version of this service.

    One that knows nothing of them may have written since: it left `faceted` behind.
    """
    ((current,),) = connection.execute("select version is not distinct from faceted from clock").fetchall()
    if not current or _found(connection) != _TABLES:
        build(connection)


def build(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables anew, whatever they held."""
    for name, columns in _TABLES.items():
        listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        connection.execute(f"create or replace table {name} ({listed})")
    connection.execute(_WORD_OF)
    _insert(connection, {name: name for name in _WORDS})
    rate(connection, "scores")
    connection.execute("update clock set faceted = version")


def refresh(cursor: duckdb.DuckDBPyConnection, keys: str, rows: Mapping[str, str] | None = None) -> None:
    """Bring the rows of crashes up to date whose `crash_key` is in the table `keys`. They have no scores.

    `rows` names, for crashes, vehicles and people, what already has all rows of these crashes: that saves looking for
    them.
    """
    chosen = f"where crash_key in (select crash_key from {keys})"
    gone = cursor.execute(f'delete from crash_facets {chosen} returning "day"').fetchall()
    if gone:  # else there is nobody in them
        for facets in _BESIDE.values():
            cursor.execute(f"delete from {facets} {chosen}")
    # By row id: with a semi join alone all columns are read of every row.
    held = {name: f"(from {name} where rowid in (select rowid from {name} {chosen}))" for name in _WORDS}
    _insert(cursor, rows or held)
    # Days of which the last crash may have gone.
    if days := list({day for (day,) in gone if day}):
        cursor.execute(
            """
            delete from facet_days
            where "day" in (from unnest($1::date[]))
                and "day" not in (select "day" from crash_facets where "day" in (from unnest($1::date[])))
            """,
            [days],
        )


def rate(cursor: duckdb.DuckDBPyConnection, scored: str) -> None:
    """Take over what is said of an injury from rows of `scores` that are in the table `scored`."""
    cursor.execute(
        f"""
        update crash_facets set risk = probability, risky = label from {scored} new
        where crash_facets.crash_key = new.crash_key and new.target = 'injury'
        """
    )


def clear(cursor: duckdb.DuckDBPyConnection) -> None:
    """Take out every row."""
    for name in _TABLES:
        cursor.execute(f"delete from {name}")


def _insert(cursor: duckdb.DuckDBPyConnection, rows: Mapping[str, str]) -> None:
    """Write what follows from `rows`: all that there are of crashes of which nothing is written yet."""
    bits = " ".join(f"when '{kind}' then {bit}" for kind, bit in WHO.items())
    cells = ", ".join(f"cell_{size}" for size in SIZES)
    staged = {
        "people": f"select crash_key, person_type, injury_classification, age from {rows['people']}",
        "vehicles": f"select crash_key, vehicle_type, unit_type from {rows['vehicles']}",
        "crashes": f"""
            select {", ".join(f"{value} as {name}" for name, (_, value) in _CRASH.items())},
                coalesce(who, 0) as who, {", ".join(_WORDS["crashes"])}, crash_key, crash_date, {cells}
            from {_placed(rows["crashes"])}
            left join (
                select crash_key, bit_or(case person_type {bits} else 0 end) as who from staged_people group by all
            ) using (crash_key)
        """,
    }
    for name, sql in staged.items():
        cursor.execute(f"create or replace temporary table staged_{name} as {sql}")
    _learn(cursor)
    cursor.execute(f"create or replace temporary table coded_crashes as {_coded('crashes')}")
    cursor.execute("insert into crash_facets by name from coded_crashes")
    cursor.execute(
        """
        insert into facet_days
        select distinct "day" from coded_crashes anti join facet_days using ("day") where "day" is not null
        """
    )
    # Units on foot or on a bicycle are no vehicles.
    cursor.execute("delete from staged_vehicles where unit_type in ('PEDESTRIAN', 'BICYCLE')")
    for name, facets in _BESIDE.items():
        wanted = ", ".join(_TABLES[facets])
        cursor.execute(
            f"insert into {facets} by name select {wanted} from ({_coded(name)}) join coded_crashes using (crash_key)"
        )
    for name in ("coded_crashes", *(f"staged_{name}" for name in staged)):
        cursor.execute(f"drop table {name}")


def _placed(crashes: str) -> str:
    """Crashes with the hexagon of each size whose middle is nearest: its `q` and `r`, from 32768 on, in one number."""
    # In sizes: east of the origin, and north of it by the root of 3.
    measured = ", ".join(
        f"(longitude - ({ORIGIN[1]!r})) * {LONGITUDE_METRES!r} / {size} as x_{size},"
        f" (latitude - {ORIGIN[0]!r}) * {LATITUDE_METRES!r} / {size} * sqrt(3) + 1 as y_{size}"
        for size in SIZES
    )
    rows = ", ".join(
        f"floor((floor(y_{size} + x_{size}) + y_{size} - x_{size}) / 3)::bigint as r_{size}" for size in SIZES
    )
    cells = ", ".join(
        f"((floor((floor(y_{size} + x_{size}) + 2 * x_{size} + 1) / 3)::bigint - r_{size} + 32768) * 65536"
        f" + r_{size} + 32768)::uinteger as cell_{size}"
        for size in SIZES
    )
    return f"(select *, {cells} from (select *, {rows} from (select *, {measured} from {crashes})))"


def _learn(cursor: duckdb.DuckDBPyConnection) -> None:
    """Number the words that are new. 0 is what is not known: UNKNOWN, but for a place, which then has no name."""
    met = " union ".join(
        f"select '{facet}' as facet, {facet} as word from staged_{table} where {facet} is not null"
        for table, facets in _WORDS.items()
        for facet in facets
    )
    unknown = ", ".join(
        f"('{facet}', 0, {'null' if facet == 'grid_id' else _UNKNOWN})"
        for facets in _WORDS.values()
        for facet in facets
    )
    cursor.execute(f"insert into facet_words select * from (values {unknown}) where not exists (from facet_words)")
    cursor.execute(
        f"""
        insert into facet_words
        select facet, known + row_number() over (partition by facet order by word), word
        from ({met}) anti join facet_words using (facet, word)
        join (select facet, max(code) as known from facet_words group by all) using (facet)
        """
    )


def _coded(table: str) -> str:
    """The staged rows of a table with codes in the place of words."""
    facets = _WORDS[table]
    codes = ", ".join(f"coalesce({facet}_word.code, 0)::uinteger as {facet}" for facet in facets)
    joins = " ".join(
        f"left join facet_words {facet}_word on {facet}_word.facet = '{facet}' and {facet}_word.word = staged.{facet}"
        for facet in facets
    )
    return f"select staged.* replace ({codes}) from staged_{table} staged {joins}"


def _found(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Columns and their types by table, of those of our tables that there are."""
    found: dict[str, dict[str, str]] = {}
    listed = "select table_name, column_name, data_type from information_schema.columns where table_name in $1"
    for table, column, kind in connection.execute(listed, [list(_TABLES)]).fetchall():
        found.setdefault(table, {})[column] = kind
    return found
