"""The functions and operators of SoQL: what they take, what they give, and their SQL.

Every argument of a SoQL function here is of one common type, so a signature is the set of types that may be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.local.portal.datasets import Type

ANY = frozenset(Type)
ORDERED = ANY - {Type.POINT, Type.BOOLEAN}


@dataclass(frozen=True)
class Function:
    """``sql`` writes the call from its arguments' SQL; ``gives`` is its type, None for that of its arguments."""

    of: frozenset[Type]
    gives: Type | None
    arity: range
    sql: Callable[[Sequence[str]], str]
    aggregate: bool = False


def _template(text: str) -> Callable[[Sequence[str]], str]:
    return lambda arguments: text.format(*arguments)


def _joined(operator: str) -> Callable[[Sequence[str]], str]:
    return lambda arguments: f"({f' {operator} '.join(arguments)})"


def _choice(arguments: Sequence[str]) -> str:
    return f"({arguments[0]} IN ({', '.join(arguments[1:])}))"


def _exactly(count: int) -> range:
    return range(count, count + 1)


_UNBOUNDED = range(2, 100_000)


def _comparison(operator: str) -> Function:
    return Function(ORDERED | {Type.BOOLEAN}, Type.BOOLEAN, _exactly(2), _joined(operator))


def _on_text(sql: str, gives: Type, count: int) -> Function:
    return Function(frozenset({Type.TEXT}), gives, _exactly(count), _template(sql))


def _truncation(kept: int, rest: str) -> Function:
    # A published date is ISO text of fixed width, so a truncated one is its beginning and a constant end.
    sql = _template(f"(left({{0}}, {kept}) || '{rest}')")
    return Function(frozenset({Type.CALENDAR_DATE}), Type.CALENDAR_DATE, _exactly(1), sql)


def _aggregate(sql: str, of: frozenset[Type], gives: Type | None, count: int = 1) -> Function:
    return Function(of, gives, _exactly(count), _template(sql), aggregate=True)


_TRUTH = frozenset({Type.BOOLEAN})
_NUMBER = frozenset({Type.NUMBER})

FUNCTIONS = {
    "and": Function(_TRUTH, Type.BOOLEAN, _UNBOUNDED, _joined("AND")),
    "or": Function(_TRUTH, Type.BOOLEAN, _UNBOUNDED, _joined("OR")),
    "not": Function(_TRUTH, Type.BOOLEAN, _exactly(1), _template("(NOT {0})")),
    "=": _comparison("="),
    "!=": _comparison("<>"),
    "<": _comparison("<"),
    "<=": _comparison("<="),
    ">": _comparison(">"),
    ">=": _comparison(">="),
    "in": Function(ORDERED, Type.BOOLEAN, _UNBOUNDED, _choice),
    "between": Function(ORDERED, Type.BOOLEAN, _exactly(3), _template("({0} BETWEEN {1} AND {2})")),
    "is null": Function(ANY, Type.BOOLEAN, _exactly(1), _template("({0} IS NULL)")),
    "like": _on_text("({0} LIKE {1})", Type.BOOLEAN, 2),
    "starts_with": _on_text("starts_with({0}, {1})", Type.BOOLEAN, 2),
    "upper": _on_text("upper({0})", Type.TEXT, 1),
    "lower": _on_text("lower({0})", Type.TEXT, 1),
    "date_trunc_y": _truncation(4, "-01-01T00:00:00.000"),
    "date_trunc_ym": _truncation(7, "-01T00:00:00.000"),
    "date_trunc_ymd": _truncation(10, "T00:00:00.000"),
    "count(*)": _aggregate("count(*)", ANY, Type.NUMBER, count=0),
    "count": _aggregate("count({0})", ANY, Type.NUMBER),
    "min": _aggregate("min({0})", ORDERED, None),
    "max": _aggregate("max({0})", ORDERED, None),
    "sum": _aggregate("sum({0})", _NUMBER, Type.NUMBER),
    "avg": _aggregate("avg({0})", _NUMBER, Type.NUMBER),
}
