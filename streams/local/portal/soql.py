"""SoQL: the clauses of a request, parsed into trees.

An expression is a :class:`Column`, a :class:`Literal` or a :class:`Call`; operators are calls of functions named
after them (``=``, ``and``, ``in``, ``is null``), so that one table of functions gives every construct its types
and its SQL. ``soql.lark`` is the grammar.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args

from streams.errors import RequestError


class SoqlError(RequestError):
    """A query the portal refuses with status 400. ``code`` is Socrata's, ``data`` what the envelope carries."""

    def __init__(self, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Position(NamedTuple):
    """Where in its clause an expression begins; both count from 1."""

    row: int
    column: int


START = Position(1, 1)


@dataclass(frozen=True)
class Column:
    """A column, or an alias of ``$select``, by its name."""

    name: str
    position: Position = field(compare=False)


@dataclass(frozen=True)
class Literal:
    """A constant as written: text, number or truth value."""

    value: str | float | bool
    position: Position = field(compare=False)


@dataclass(frozen=True)
class Call:
    """A function or operator, in small letters, on its arguments. ``count(*)`` is ``count(*)`` on none."""

    function: str
    arguments: tuple["Expression", ...]
    position: Position = field(compare=False)


Expression = Column | Literal | Call


class Selected(NamedTuple):
    """An expression of ``$select`` and the name asked for it."""

    expression: Expression
    alias: str | None


class AllColumns(NamedTuple):
    """``*`` or, with ``system``, ``:*``."""

    system: bool


class Ordered(NamedTuple):
    """A key of ``$order``."""

    expression: Expression
    descending: bool


def _at(token: Token) -> Position:
    return Position(token.line or 1, token.column or 1)


def _negated(expression: Call) -> Call:
    return Call("not", (expression,), expression.position)


@v_args(inline=True)
class _Trees(Transformer[Token, Any]):
    """Turns lark's parse, from the leaves up, into the classes above."""

    def select(self, *items: Any) -> list[Any]:
        return list(items)

    order = group = arguments = select

    def condition(self, expression: Expression) -> Expression:
        return expression

    def content_columns(self) -> AllColumns:
        return AllColumns(system=False)

    def system_columns(self) -> AllColumns:
        return AllColumns(system=True)

    def selected(self, expression: Expression, alias: Token | None = None) -> Selected:
        return Selected(expression, alias.strip("`") if alias is not None else None)

    def ordered(self, expression: Expression, direction: Token | None) -> Ordered:
        return Ordered(expression, direction is not None and direction.type == "DESCENDING")

    def column(self, token: Token) -> Column:
        return Column(token.strip("`").lower(), _at(token))

    def string(self, token: Token) -> Literal:
        return Literal(token[1:-1].replace("''", "'"), _at(token))

    def number(self, token: Token) -> Literal:
        return Literal(float(token), _at(token))

    def true(self, token: Token) -> Literal:
        return Literal(True, _at(token))

    def false(self, token: Token) -> Literal:
        return Literal(False, _at(token))

    def call(self, name: Token, arguments: list[Expression]) -> Call:
        return Call(name.lower(), tuple(arguments), _at(name))

    def call_on_rows(self, name: Token) -> Call:
        return Call(f"{name.lower()}(*)", (), _at(name))

    def comparison(self, left: Expression, operator: Token, right: Expression) -> Call:
        return Call("!=" if operator == "<>" else str(operator), (left, right), left.position)

    def or_(self, *operands: Expression) -> Call:
        return Call("or", operands, operands[0].position)

    def and_(self, *operands: Expression) -> Call:
        return Call("and", operands, operands[0].position)

    def not_(self, operand: Expression) -> Call:
        return Call("not", (operand,), operand.position)

    def in_(self, operand: Expression, choices: list[Expression]) -> Call:
        return Call("in", (operand, *choices), operand.position)

    def between(self, operand: Expression, low: Expression, high: Expression) -> Call:
        return Call("between", (operand, low, high), operand.position)

    def like(self, operand: Expression, pattern: Expression) -> Call:
        return Call("like", (operand, pattern), operand.position)

    def is_null(self, operand: Expression) -> Call:
        return Call("is null", (operand,), operand.position)

    def not_in(self, operand: Expression, choices: list[Expression]) -> Call:
        return _negated(self.in_(operand, choices))

    def not_between(self, operand: Expression, low: Expression, high: Expression) -> Call:
        return _negated(self.between(operand, low, high))

    def not_like(self, operand: Expression, pattern: Expression) -> Call:
        return _negated(self.like(operand, pattern))

    def is_not_null(self, operand: Expression) -> Call:
        return _negated(self.is_null(operand))


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(
        Path(__file__).with_name("soql.lark").read_text(),
        parser="lalr",
        start=["select", "condition", "order", "group"],
        maybe_placeholders=True,
        transformer=_Trees(),
    )


def _parse(clause: str, text: str) -> Any:
    try:
        return _parser().parse(text, start=clause)
    except UnexpectedInput as error:
        if isinstance(error, UnexpectedToken) and error.token.type == "$END":
            raise malformed(text, f"at line 1 character {len(text) + 1}: unexpected end of input") from None
        found = text.splitlines()[error.line - 1][error.column - 1 :][:20]
        raise malformed(text, f"at line {error.line} character {error.column}: unexpected `{found}'") from None


def malformed(text: str, problem: str) -> SoqlError:
    """The error for text that is no SoQL."""
    return SoqlError("query.compiler.malformed", f"Could not parse SoQL query {_quoted(text)} {problem}", query=text)


def refusal(code: str, problem: str, position: Position = START, **data: Any) -> SoqlError:
    """The error for SoQL that parses but means nothing here; ``code`` comes after ``query.soql.``."""
    message = f"Query coordinator error: query.soql.{code}; {problem}; position: {position._asdict()}"
    return SoqlError(f"query.soql.{code}", message, position=position._asdict(), **data)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def parse_select(text: str) -> list[Selected | AllColumns]:
    """Parse ``$select``. Raises :class:`SoqlError`, as do its siblings."""
    items: list[Selected | AllColumns] = _parse("select", text)
    return items


def parse_condition(text: str) -> Expression:
    """Parse ``$where`` or ``$having``."""
    expression: Expression = _parse("condition", text)
    return expression


def parse_order(text: str) -> list[Ordered]:
    """Parse ``$order``."""
    keys: list[Ordered] = _parse("order", text)
    return keys


def parse_group(text: str) -> list[Expression]:
    """Parse ``$group``."""
    keys: list[Expression] = _parse("group", text)
    return keys
