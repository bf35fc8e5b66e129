"""What Gold should hold, computed a second time: plain SQL over the portal's raw rows, in one batch.

It shares the schema table with the product and nothing else, so that a mistake in merging, cleaning, loading
or engineering shows as a difference. What a rule leaves open is decided here as follows:

- whitespace is Unicode's White_Space, at both ends;
- blank and unknown-like text is null without a flag in every kind of column, times too;
- a number is ``[+-] digits [. digits] [e exponent]``, nothing else (no ``1_000``, ``1,000``, ``0x1f``, ``inf``);
- TRUCK and MOTORCYCLE are looked for as the portal writes them, in capitals;
- coordinates go to integer cents, half away from zero, before they become bins again.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from streams.domain.schemas import TABLES, Column, Kind, Table

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Gold = Mapping[str, pa.Table] | duckdb.DuckDBPyConnection

# What Gold has beyond the columns of the three tables, and cleaned frames do not: another name for the crash.
CRASH_KEY: Final = "crash_key"

EXAMPLES: Final = 5

_UNKNOWN: Final = ["", "UNKNOWN", "UNK", "UNKN", "UNKOWN", "UNKNOWN/NA", "N/A", "NA"]
_WHITE_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + ("\u2028\u2029\u202f\u205f\u3000")
)
# Columns that tell rows apart, or which rows belong together: never nulled.
_IDENTITIES: Final = ("crash_record_id", "person_id")

_MACROS: Final = f"""
-- trim() with a list of characters takes ten times as long as the look that finds it needless.
CREATE MACRO trimmed(t) AS CASE
    WHEN contains('{_WHITE_SPACE}', left(t, 1)) OR contains('{_WHITE_SPACE}', right(t, 1))
    THEN trim(t, '{_WHITE_SPACE}')
    ELSE t END;
-- IN with a list this long would be planned as one join a column.
CREATE MACRO known(t) AS CASE WHEN NOT list_contains({_UNKNOWN}, upper(trimmed(t))) THEN trimmed(t) END;

CREATE MACRO flag_of(t) AS CASE upper(t) WHEN 'Y' THEN true WHEN 'N' THEN false END;

-- TRY_CAST alone also takes 'inf', 'nan' and '1_000'.
CREATE MACRO number_of(t) AS CASE
    WHEN regexp_full_match(t, '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?')
        AND isfinite(TRY_CAST(t AS DOUBLE))
    THEN TRY_CAST(t AS DOUBLE) END;

-- The decimal carries all digits of 64 bits, which a double does not.
CREATE MACRO integer_of(t) AS CASE
    WHEN regexp_full_match(t, '-?[0-9]+') THEN TRY_CAST(t AS BIGINT)
    WHEN number_of(t) = trunc(number_of(t)) THEN CASE
        WHEN TRY_CAST(t AS DECIMAL(38, 19)) = trunc(TRY_CAST(t AS DECIMAL(38, 19)))
        THEN TRY_CAST(TRY_CAST(t AS DECIMAL(38, 19)) AS BIGINT) END
    END;

-- TRY_CAST alone also takes dates, zones and the hour 24.
CREATE MACRO time_of(t) AS CASE
    WHEN regexp_full_match(
        t, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{{3}})?')
    THEN TRY_CAST(t AS TIMESTAMP) END;

CREATE MACRO cents(x) AS round(x * 100) / 100;
"""

_PARSERS: Final = {
    Kind.FLAG: "flag_of",
    Kind.INTEGER: "integer_of",
    Kind.BIGINT: "integer_of",
    Kind.REAL: "number_of",
    Kind.TIME: "time_of",
}

# The one location rule: both coordinates are there and possible, or none of the three columns is.
_LOCATED: Final = (
    "latitude IS NOT NULL AND longitude IS NOT NULL AND latitude_fault IS NULL AND longitude_fault IS NULL"
)

_ENGINEER: Final = """
CREATE TABLE crashes AS
WITH units AS (
    SELECT
        crash_record_id,
        count(*) AS veh_count,
        coalesce(bool_or(contains(vehicle_type, 'TRUCK')), false) AS veh_truck_i,
        coalesce(bool_or(contains(vehicle_type, 'MOTORCYCLE')), false) AS veh_mc_i
    FROM vehicles GROUP BY crash_record_id
), persons AS (
    SELECT
        crash_record_id,
        count(*) AS ppl_count,
        CAST(sum(age) AS DOUBLE) / nullif(count(age), 0) AS ppl_age_mean,
        min(age) AS ppl_age_min,
        max(age) AS ppl_age_max
    FROM people GROUP BY crash_record_id
)
SELECT
    cleaned.* EXCLUDE (quality_flags),
    CAST(year(crash_date) AS INTEGER) AS year,
    CAST(month(crash_date) AS INTEGER) AS month,
    CAST(day(crash_date) AS INTEGER) AS day,
    CAST(hour(crash_date) AS INTEGER) AS hour,
    CAST(isodow(crash_date) AS INTEGER) AS day_of_week,
    isodow(crash_date) IN (6, 7) AS is_weekend,
    CASE
        WHEN hour(crash_date) <= 6 THEN 'night'
        WHEN hour(crash_date) <= 12 THEN 'morning'
        WHEN hour(crash_date) <= 18 THEN 'afternoon'
        WHEN hour(crash_date) <= 23 THEN 'evening'
    END AS hour_bin,
    cents(latitude) AS lat_bin,
    cents(longitude) AS lng_bin,
    CASE WHEN latitude IS NOT NULL
        THEN printf('%.2f_%.2f', cents(latitude), cents(longitude)) END AS grid_id,
    CAST(coalesce(veh_count, 0) AS INTEGER) AS veh_count,
    CAST(coalesce(ppl_count, 0) AS INTEGER) AS ppl_count,
    coalesce(veh_truck_i, false) AS veh_truck_i,
    coalesce(veh_mc_i, false) AS veh_mc_i,
    ppl_age_mean,
    ppl_age_min,
    ppl_age_max,
    injuries_total >= 1 AS injury,
    injuries_fatal + injuries_incapacitating >= 1 AS injury_severe,
    quality_flags
FROM cleaned_crashes AS cleaned
LEFT JOIN units USING (crash_record_id)
LEFT JOIN persons USING (crash_record_id)
"""


def expected(rows: Rows | Path) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB whose tables crashes, vehicles and people are what Gold should hold.

    ``rows`` are the portal's rows by table, or a folder with ``{crashes,vehicles,people}.json``: every value
    text, ``location`` nested, nulls absent. A table that is not given is empty. Columns of the portal's
    bookkeeping and unknown ones are ignored. Raises ValueError where a key is null, or stands twice: which of
    two rows wins is not for this module to say.
    """
    connection = duckdb.connect()
    # Looking for it in expressions this long takes twice as long as computing them.
    connection.execute("SET disabled_optimizers = 'common_subexpressions'")
    connection.execute(_MACROS)
    for name, table in TABLES.items():
        if isinstance(rows, Path):
            published = json.loads((rows / f"{name}.json").read_text("utf-8"))
        else:
            published = rows.get(name, ())
        connection.register("raw", pa.Table.from_pylist(list(published), schema=_raw_schema(table)))
        target = "cleaned_crashes" if name == "crashes" else name
        connection.execute(f"CREATE TABLE {target} AS {_clean(table)}")
        connection.unregister("raw")
        if wrong := _not_unique(connection, target, table.key):
            raise ValueError(f"{name}.{table.key}: each key must stand in one row, but {wrong}")
    connection.execute(_ENGINEER)
    connection.execute("DROP TABLE cleaned_crashes")
    return connection


def differences(expected: duckdb.DuckDBPyConnection, gold: Gold) -> list[str]:
    """Compare Gold with ``expected``, cell by cell; one line for each thing that differs, none if all is equal.

    ``gold`` is a DuckDB connection or an Arrow table for each of the three names. Null equals null only,
    numbers must be the same double, lists the same in order. The order of rows and columns is no content.
    """
    lines: list[str] = []
    for name, table in TABLES.items():
        if isinstance(gold, Mapping):
            if name not in gold:
                lines.append(f"{name}: no such table")
                continue
            arrow = gold[name]
        else:
            arrow = gold.execute(f"FROM {name}").to_arrow_table()
        expected.register("got", arrow)
        try:
            lines += _table_differences(expected, name, table.key)
        finally:
            expected.unregister("got")
    return lines


def _raw_schema(table: Table) -> pa.Schema:
    point = pa.struct([("type", pa.string()), ("coordinates", pa.list_(pa.float64()))])
    return pa.schema([(column.name, point if column.kind is Kind.POINT else pa.string()) for column in table.columns])


def _clean(table: Table) -> str:
    """Write the query from raw rows to typed ones: the text known, then parsed, then judged."""
    parsed = [column for column in table.columns if column.kind in _PARSERS]
    flags = ", ".join(f"'{column.name}:' || {column.name}_fault" for column in parsed)
    return f"""
        WITH known AS MATERIALIZED (SELECT {", ".join(map(_known, table.columns))} FROM raw),
        parsed AS MATERIALIZED (
            SELECT * REPLACE ({", ".join(f"{_PARSERS[c.kind]}({c.name}) AS {c.name}" for c in parsed)}),
                {", ".join(f"{c.name} AS {c.name}_text" for c in parsed)}
            FROM known
        ),
        judged AS MATERIALIZED (SELECT *, {", ".join(f"{_fault(c)} AS {c.name}_fault" for c in parsed)} FROM parsed)
        SELECT {", ".join(map(_value, table.columns))},
            list_sort(list_filter([{flags}], lambda fault: fault IS NOT NULL)) AS quality_flags
        FROM judged
    """


def _known(column: Column) -> str:
    if column.kind is Kind.POINT:
        return column.name
    return f"{'trimmed' if column.name in _IDENTITIES else 'known'}({column.name}) AS {column.name}"


def _fault(column: Column) -> str:
    """Say in SQL what is wrong with a parsed value: 'unparsable', 'impossible' or null."""
    name, text = column.name, f"{column.name}_text"
    if column.kind is Kind.FLAG:
        return f"CASE WHEN {name} IS NULL AND upper({text}) <> 'U' THEN 'unparsable' END"
    impossible = "false"
    if column.high < float("inf"):
        # least() passes over the null of an unknown crash_date.
        high = f"least({column.high}, year(crash_date) + 2)" if name == "vehicle_year" else column.high
        impossible = f"{name} NOT BETWEEN {column.low} AND {high}"
    return f"""CASE WHEN {name} IS NULL AND {text} IS NOT NULL THEN 'unparsable'
                    WHEN {impossible} THEN 'impossible' END"""


def _value(column: Column) -> str:
    name = column.name
    if name in ("latitude", "longitude", "location"):
        return f"CASE WHEN {_LOCATED} THEN {name} END AS {name}"
    if column.kind is Kind.INTEGER:
        return f"CAST(CASE WHEN {name}_fault IS NULL THEN {name} END AS INTEGER) AS {name}"
    if column.kind in _PARSERS:
        return f"CASE WHEN {name}_fault IS NULL THEN {name} END AS {name}"
    return name


def _table_differences(connection: duckdb.DuckDBPyConnection, name: str, key: str) -> list[str]:
    """Compare table ``name`` with the registered ``got``."""
    wanted, got = _types(connection, name), _types(connection, "got")
    lines = [f"{name}.{column}: no such column" for column in wanted if column not in got]
    lines += [f"{name}.{column}: not a column of Gold" for column in got if column not in (*wanted, CRASH_KEY)]
    lines += [
        f"{name}.{column}: is {got[column]}, should be {wanted[column]}"
        for column in wanted
        if column in got and got[column] != wanted[column]
    ]
    if got.get(key) != wanted[key]:
        return lines  # without a key no two rows belong together
    if CRASH_KEY in got:
        wrong = f"SELECT {key} FROM got WHERE {CRASH_KEY}::UUID IS DISTINCT FROM md5(crash_record_id)::UUID ORDER BY 1"
        lines += [f"{name}.{CRASH_KEY}: {keys} wrong" for keys in [_keys(connection, wrong)] if keys]
    for what, left, right in (("missing", name, "got"), ("not expected", "got", name)):
        keys = _keys(connection, f"SELECT {key} FROM {left} ANTI JOIN {right} USING ({key}) ORDER BY 1")
        lines += [f"{name}: {keys} {what}"] if keys else []
    if repeated := _not_unique(connection, "got", key):
        lines.append(f"{name}: {repeated}")
    pairs = f"FROM {name} AS e JOIN got AS g USING ({key})"
    columns = [column for column in wanted if column != key and got.get(column) == wanted[column]]
    counts = connection.execute(
        f"SELECT {', '.join(f'count(*) FILTER ({_differs(column)})' for column in columns)} {pairs}"
    ).fetchone()
    for column, count in zip(columns, counts or (), strict=True):
        if count:
            example, want, have = connection.execute(
                f"SELECT {key}, e.{column}, g.{column} {pairs} WHERE {_differs(column)} ORDER BY 1 LIMIT 1"
            ).fetchall()[0]
            lines.append(
                f"{name}.{column}: {count} cells differ, e.g. {key} {example!r}: expected {want!r}, got {have!r}"
            )
    return lines


def _differs(column: str) -> str:
    return f"e.{column} IS DISTINCT FROM g.{column}"


def _types(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {name}").fetchall()}


def _not_unique(connection: duckdb.DuckDBPyConnection, name: str, key: str) -> str:
    """Name the keys of table ``name`` that are null or stand twice; empty if there are none."""
    query = f"SELECT {key} FROM {name} GROUP BY 1 HAVING count(*) > 1 OR {key} IS NULL ORDER BY 1"
    keys = _keys(connection, query)
    return f"{keys} null or repeated" if keys else ""


def _keys(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """Count the keys that ``query`` finds and show the first of them; empty if there are none."""
    keys = [row[0] for row in connection.execute(query).fetchall()]
    if not keys:
        return ""
    shown = ", ".join(map(repr, keys[:EXAMPLES]))
    return f"{len(keys)} keys ({shown}{', …' if len(keys) > EXAMPLES else ''})"
