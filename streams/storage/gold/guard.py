"""Which SQL of others is a single read of Gold's tables.

DuckDB itself keeps every query from files, network, extensions and settings: that is how the database is opened.
What is left to refuse is what writes or would hold up the process, and that is read off the parsed statement, not
off its text: a function hidden in a comment, a string or a subquery is the same node in the tree.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

import duckdb

from streams.errors import QueryRefused

# Everything else that can stand as a function in FROM reads a file, the server or a pointer, or runs SQL from text.
_TABLE_FUNCTIONS: Final = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"})

# They read the server, keep its thread or write its log; or they make gigabytes, or take hours, within one row, where
# no limit of time or memory bites.
_FUNCTIONS: Final = frozenset(
    {
        *("getenv", "current_setting", "getvariable", "write_log", "sleep_ms", "pg_sleep", "nextval", "currval"),
        *("setseed", "repeat", "lpad", "rpad", "list_resize", "array_resize", "printf", "format", "bar"),
        *("levenshtein", "damerau_levenshtein", "editdist3", "jaro_similarity", "jaro_winkler_similarity"),
        *("range", "generate_series", "json_serialize_sql", "json_serialize_plan", "json_deserialize_sql"),
    }
)

_SCHEMAS: Final = frozenset({"", "main", "information_schema"})

_EXPLAIN: Final = re.compile(r"\s*explain\s+(?:analyze\s+)?(?=\w|\()", re.IGNORECASE)

_HINT: Final = "Gold answers one SELECT, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN at a time"


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise `QueryRefused` unless `sql` is a single read. `connection` parses it and runs nothing of it."""
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryRefused(first_line(error), field="sql", hint="correct the SQL") from None
    if len(statements) != 1:
        found = "no statement" if not statements else f"{len(statements)} statements"
        raise QueryRefused(f"found {found}, where one is expected", field="sql", hint=_HINT)
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        sql = _EXPLAIN.sub("", sql, count=1)
    elif kind != duckdb.StatementType.SELECT:
        raise QueryRefused(f"{kind.name} is no read", field="sql", hint=_HINT)
    for node in _nodes(_tree(connection, sql)):
        _check_node(node)


def first_line(error: duckdb.Error) -> str:
    """What the engine says, without its drawing of the place, or of remedies that readers do not have."""
    return str(error).strip().split("\n\n")[0].split("\n")[0]


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> object:
    row = connection.execute("select json_serialize_sql($sql)", {"sql": sql}).fetchone()
    try:
        tree = json.loads(row[0]) if row else {"error": True}
    except RecursionError:
        raise QueryRefused("the SQL is nested too deep", field="sql", hint="split the expression") from None
    if tree["error"]:
        raise QueryRefused(str(tree.get("error_message", "no read")), field="sql", hint=_HINT)
    return tree


def _nodes(tree: object) -> Iterator[dict[str, object]]:
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)


def _check_node(node: dict[str, object]) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        function = node["function"]
        name = str(function["function_name"]).lower() if isinstance(function, dict) else ""
        if name not in _TABLE_FUNCTIONS:
            raise QueryRefused(f"{name}() is not for queries", field="sql", hint="read Gold's tables")
        # Its arguments are checked as any expression is; the name itself has just been.
        if isinstance(function, dict):
            function["function_name"] = ""
    elif node.get("class") == "FUNCTION":
        name = str(node["function_name"]).lower()
        if name in _FUNCTIONS:
            hint = "use it in FROM" if name in _TABLE_FUNCTIONS else "leave it out"
            raise QueryRefused(f"{name}() is not for queries", field="sql", hint=hint)
    elif node.get("type") == "BASE_TABLE" and (
        str(node["schema_name"]).lower() not in _SCHEMAS
        or str(node["catalog_name"]).lower() == "system"
        or str(node["table_name"]).lower().startswith(("pg_", "duckdb_"))
    ):
        raise QueryRefused(
            f"{node['schema_name'] or node['table_name']} is not for queries", field="sql", hint="read Gold's tables"
        )
