"""SoQL trees to DuckDB SQL.

Tables hold every value as the text that is published. Published times are ISO text of fixed width, which sorts as
time does, so only numbers are cast before they are compared. Identifiers are quoted and come from the table's own
columns; constants are bound, never written into the SQL.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.local.portal.datasets import Type
from streams.local.portal.functions import ANY, FUNCTIONS
from streams.local.portal.soql import Call, Column, Expression, Literal, Position, SoqlError, refusal

Constant = str | float | bool | int


@dataclass(frozen=True)
class Compiled:
    """SQL and its SODA type. ``stored`` tells a column's own text from a computed value."""

    sql: str
    type: Type
    stored: bool = False


def quoted(identifier: str) -> str:
    """An SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def type_mismatch(function: str, found: Type, position: Position) -> SoqlError:
    """The error for an argument of a type that the function does not take."""
    return refusal("type-mismatch", f"Type mismatch for {function}, is {found}", position, type=found)


class Compiler:
    """Compiles the expressions of one query.

    ``columns`` are the table's, ``aliases`` those of ``$select``. Constants are bound as ``$1``, ``$2``...; equal
    ones share one, so that a grouped expression equals its selected twin.
    """

    def __init__(self, columns: Mapping[str, Type], aliases: Mapping[str, Expression]) -> None:
        self._columns = columns
        self._aliases = aliases
        self._numbers: dict[tuple[type, Constant], int] = {}

    def bind(self, value: Constant) -> str:
        """The placeholder of a constant."""
        return f"${self._numbers.setdefault((type(value), value), len(self._numbers) + 1)}"

    @property
    def parameters(self) -> list[Constant]:
        """What ``$1``, ``$2``... stand for."""
        return [value for _, value in self._numbers]

    def resolve(self, expression: Expression) -> Expression:
        """Put in place of each alias what it stands for. An alias named like a column inside it is that column."""
        if isinstance(expression, Column):
            return self._aliases.get(expression.name, expression)
        if isinstance(expression, Call):
            arguments = tuple(self.resolve(argument) for argument in expression.arguments)
            return Call(expression.function, arguments, expression.position)
        return expression

    def compile(self, expression: Expression, wanted: Type | None = None) -> Compiled:
        """Compile a resolved expression; a text constant becomes the ``wanted`` type if it can."""
        match expression:
            case Column(name, position):
                if name not in self._columns:
                    raise refusal("no-such-column", f"No such column: {name}", position, column=name)
                return Compiled(quoted(name), self._columns[name], stored=True)
            case Literal(value, position):
                return self._constant(value, position, wanted)
            case Call(name, arguments, position):
                return self._call(name, arguments, position)

    def condition(self, expression: Expression) -> str:
        """Compile what must be true or false."""
        compiled = self.compile(expression)
        if compiled.type is not Type.BOOLEAN:
            raise type_mismatch("condition", compiled.type, expression.position)
        return compiled.sql

    def value(self, expression: Expression) -> str:
        """Compile what is compared or sorted."""
        return _value(self.compile(expression))

    def _constant(self, value: str | float | bool, position: Position, wanted: Type | None) -> Compiled:
        if isinstance(value, bool):
            return Compiled(self.bind(value), Type.BOOLEAN)
        if isinstance(value, float):
            return Compiled(self.bind(value), Type.NUMBER)
        if wanted is None:
            return Compiled(self.bind(value), Type.TEXT)
        converted = _converted(value, wanted)
        if converted is None:
            return Compiled(self.bind(value), Type.TEXT)
        return Compiled(self.bind(converted), wanted)

    def _call(self, name: str, arguments: tuple[Expression, ...], position: Position) -> Compiled:
        function = FUNCTIONS.get(name)
        if function is None or len(arguments) not in function.arity:
            raise refusal("no-such-function", f"No such function: {name}/{len(arguments)}", position, name=name)
        # What is not a text constant has its type; text constants then take the type of the first such argument.
        typed = [None if _is_text(argument) else self.compile(argument) for argument in arguments]
        common = next((argument.type for argument in typed if argument), None)
        compiled = [
            argument or self.compile(expression, common or _only(function.of))
            for argument, expression in zip(typed, arguments, strict=True)
        ]
        for argument, expression in zip(compiled, arguments, strict=True):
            if argument.type not in function.of or argument.type is not compiled[0].type:
                raise type_mismatch(name, argument.type, expression.position)
        values = [argument.sql if function.of == ANY else _value(argument) for argument in compiled]
        return Compiled(function.sql(values), function.gives or compiled[0].type)


def _is_text(expression: Expression) -> bool:
    return isinstance(expression, Literal) and isinstance(expression.value, str)


def _only(types: frozenset[Type]) -> Type | None:
    return next(iter(types)) if len(types) == 1 else None


def _value(compiled: Compiled) -> str:
    if compiled.stored and compiled.type is Type.NUMBER:
        return f"TRY_CAST({compiled.sql} AS DOUBLE)"
    return compiled.sql


def published(compiled: Compiled) -> str:
    """SQL for the value as JSON text, null where there is none."""
    match compiled:
        case Compiled(sql, Type.POINT):
            return sql
        case Compiled(sql, Type.BOOLEAN):
            return f"CAST({sql} AS VARCHAR)"
        case Compiled(sql, Type.NUMBER, stored=False):
            return rf"to_json(regexp_replace(CAST({sql} AS VARCHAR), '\.0$', ''))"
        case _:
            return f"to_json({compiled.sql})"


_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")
_ZONE = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


def _converted(text: str, wanted: Type) -> str | float | bool | None:
    """A text constant as the type it is compared with; None where it cannot be."""
    match wanted:
        case Type.TEXT | Type.ROW_ID | Type.ROW_VERSION:
            return text
        case Type.NUMBER:
            try:
                return float(text)
            except ValueError:
                return None
        case Type.CALENDAR_DATE:
            return _iso(text) if _DATE.fullmatch(text) else None
        case Type.FIXED_TIMESTAMP:
            stamp = _iso(text) if _DATE.fullmatch(_ZONE.sub("", text)) else None
            return stamp and f"{stamp}Z"
        case _:
            return None


def _iso(text: str) -> str | None:
    """Time as published: milliseconds, no zone; what names a zone is turned to UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds")
