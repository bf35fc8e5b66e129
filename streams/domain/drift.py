"""The portal's columns, compared with those known: schema drift."""

from collections.abc import Mapping
from typing import Final

from streams.domain.schemas import Kind, Table
from streams.records import Drifted

# The portal's names for what a column of this kind holds.
_TYPES: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.TEXT: frozenset({"text"}),
    Kind.FLAG: frozenset({"text"}),
    Kind.INTEGER: frozenset({"number"}),
    Kind.BIGINT: frozenset({"number"}),
    Kind.REAL: frozenset({"number"}),
    Kind.TIME: frozenset({"calendar_date", "floating_timestamp"}),
    Kind.POINT: frozenset({"point"}),
}


def drifts(fields: Mapping[str, str], table: Table) -> list[Drifted]:
    """How `fields` (the portal's types by column, as an answer states them) differ from `table`'s columns.

    System and computed columns, which begin with a colon, are the portal's own business. No fields, no drift.
    """
    if not fields:
        return []
    known = {column.name: column.kind for column in table.columns}
    found = []
    for name in sorted(fields.keys() - known.keys()):
        if not name.startswith(":"):
            detail = f"a column of type {fields[name]} that is not known: kept in Silver's `extra`"
            found.append(Drifted(dataset=table.dataset, column=name, drift="new", detail=detail))
    for name, kind in known.items():
        if name not in fields:
            detail = "the portal has this column no more: null in rows published since"
            found.append(Drifted(dataset=table.dataset, column=name, drift="vanished", detail=detail))
        elif fields[name] not in _TYPES[kind]:
            wanted = " or ".join(sorted(_TYPES[kind]))
            detail = f"of type {fields[name]} instead of {wanted}: values that are no {kind.value} are null and flagged"
            found.append(Drifted(dataset=table.dataset, column=name, drift="retyped", detail=detail))
    return found
