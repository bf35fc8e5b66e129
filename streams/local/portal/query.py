"""A request's parameters to one SQL query whose rows are JSON objects."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from streams.local.portal.compiler import Compiled, Compiler, published, quoted
from streams.local.portal.datasets import SYSTEM_COLUMNS, Type
from streams.local.portal.grouping import check_grouping, is_grouped
from streams.local.portal.soql import (
    START,
    AllColumns,
    Call,
    Column,
    Expression,
    Literal,
    Selected,
    SoqlError,
    malformed,
    parse_condition,
    parse_group,
    parse_order,
    parse_select,
    refusal,
)

DEFAULT_LIMIT = 1000
CLAUSES = {"$select", "$where", "$order", "$limit", "$offset", "$group", "$having"}


@dataclass(frozen=True)
class Query:
    """``sql`` gives one VARCHAR a row, a JSON object; ``fields`` are the keys it may have, with their types."""

    sql: str
    parameters: Sequence[str | float | bool | int]
    fields: dict[str, Type]

    def run(self, cursor: duckdb.DuckDBPyConnection) -> bytes:
        """The rows as a JSON array."""
        rows = cursor.execute(self.sql, self.parameters).fetchall()
        return ("[" + "\n,".join(text for (text,) in rows) + "]\n").encode()


def compile_query(request: Mapping[str, str], table: str, columns: Mapping[str, Type]) -> Query:
    """Compile ``$select``, ``$where``... and plain ``column=value`` filters.

    ``columns`` are all of the table's, system columns among them. Raises :class:`SoqlError` for what the portal
    answers with status 400.
    """
    for name in request:
        if name.startswith("$") and name not in CLAUSES:
            raise SoqlError("invalid_request", f"Unrecognized arguments [{name}]", argument=name)
    try:
        return _compile(request, table, columns)
    except RecursionError:
        raise malformed(" ".join(request.values()), "as it is too deeply nested") from None


def _compile(request: Mapping[str, str], table: str, columns: Mapping[str, Type]) -> Query:
    outputs = _outputs(parse_select(request.get("$select", "*")), columns)
    compiler = Compiler(columns, {name.lower(): expression for name, expression in outputs.items()})
    compiled = {name: compiler.compile(expression) for name, expression in outputs.items()}
    conditions = [_equality(name, value) for name, value in request.items() if not name.startswith("$")]
    if "$where" in request:
        conditions.append(compiler.resolve(parse_condition(request["$where"])))
    where = " AND ".join(compiler.condition(condition) for condition in conditions) or "true"
    ordered = parse_order(request["$order"]) if "$order" in request else []
    order = [(compiler.resolve(key.expression), key.descending) for key in ordered]
    group = [compiler.resolve(key) for key in parse_group(request["$group"])] if "$group" in request else []
    having = [compiler.resolve(parse_condition(request["$having"]))] if "$having" in request else []

    # What is not ordered has no order: ties come differently at each request.
    sort = ", ".join([compiler.value(e) + _DIRECTION[descending] for e, descending in order] + ["random()"])
    limit = compiler.bind(_whole(request, "$limit", DEFAULT_LIMIT))
    page = f"ORDER BY {sort} LIMIT {limit} OFFSET {compiler.bind(_whole(request, '$offset', 0))}"
    source = f"FROM {quoted(table)} WHERE {where}"
    row = _json_object(compiler, compiled)
    check_grouping([*outputs.values(), *(key for key, _ in order), *having], group, conditions)
    if is_grouped([*outputs.values(), *having], group):
        by = f"GROUP BY {', '.join(compiler.compile(key).sql for key in group)}" if group else ""
        condition = f"HAVING {compiler.condition(having[0])}" if having else ""
        sql = f"SELECT {row} {source} {by} {condition} {page}"
    else:
        # The page is found by what is filtered and sorted alone; then only its rows are read in full.
        found = f"SELECT rowid {source} {page}"
        sql = f"SELECT {row} FROM {quoted(table)} WHERE rowid IN ({found}) ORDER BY {sort}"  # noqa: S608
    return Query(sql, compiler.parameters, {name: value.type for name, value in compiled.items()})


_DIRECTION = {False: " ASC NULLS LAST", True: " DESC NULLS FIRST"}


def _json_object(compiler: Compiler, members: Mapping[str, Compiled]) -> str:
    """SQL for a row as JSON text. `concat` passes over nulls, and so they are omitted from the object."""
    pairs = (f"{compiler.bind(f',{json.dumps(name)}:')} || {published(value)}" for name, value in members.items())
    return f"'{{' || substr(concat({', '.join(pairs)}), 2) || '}}'"


def _outputs(items: Sequence[Selected | AllColumns], columns: Mapping[str, Type]) -> dict[str, Expression]:
    outputs: dict[str, Expression] = {}
    for item in items:
        for name, expression in _expanded(item, columns).items():
            if outputs.setdefault(name, expression) != expression:
                raise refusal("duplicate-alias", f"There is already a column named {name}", name=name)
    return outputs


def _expanded(item: Selected | AllColumns, columns: Mapping[str, Type]) -> dict[str, Expression]:
    if isinstance(item, Selected):
        return {item.alias or _default_name(item.expression): item.expression}
    return {name: Column(name, START) for name in columns if (name in SYSTEM_COLUMNS) == item.system}


def _default_name(expression: Expression) -> str:
    """`max(crash_date)` is published as `max_crash_date`, `count(*)` as `count`."""
    match expression:
        case Column(name):
            return name
        case Literal(value):
            return re.sub(r"\W+", "_", str(value)).strip("_").lower() or "value"
        case Call(function, arguments):
            parts = [re.sub(r"\W+", "_", function).strip("_"), *(_default_name(a) for a in arguments)]
            return "_".join(part.lstrip(":") for part in parts if part) or "value"


def _equality(name: str, value: str) -> Expression:
    return Call("=", (Column(name, START), Literal(value, START)), START)


def _whole(request: Mapping[str, str], clause: str, default: int) -> int:
    text = request.get(clause)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise malformed(text, f"in {clause}: expected a whole number, zero or more")
    return int(text)
