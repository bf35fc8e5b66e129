"""The rules of aggregates: where they may stand, and what may stand beside them."""

from collections.abc import Sequence

from streams.local.portal.functions import FUNCTIONS
from streams.local.portal.soql import Call, Expression, Literal, refusal


def is_aggregate(expression: Expression) -> bool:
    """Whether an aggregate occurs in the expression."""
    if not isinstance(expression, Call):
        return False
    function = FUNCTIONS.get(expression.function)
    return (function is not None and function.aggregate) or any(map(is_aggregate, expression.arguments))


def is_grouped(results: Sequence[Expression], group: Sequence[Expression]) -> bool:
    """Whether a query answers with groups (all rows being one) rather than with rows."""
    return bool(group) or any(map(is_aggregate, results))


def check_grouping(
    results: Sequence[Expression], group: Sequence[Expression], conditions: Sequence[Expression]
) -> None:
    """Refuse an aggregate in ``$where`` or ``$group``, and columns that are neither grouped by nor aggregated.

    ``results`` are the expressions of ``$select``, ``$order`` and ``$having``.
    """
    for expression in [*conditions, *group]:
        if is_aggregate(expression):
            problem = "Aggregates stand in $select, $order and $having"
            raise refusal("aggregate-in-ungrouped-context", problem, expression.position)
    if is_grouped(results, group):
        for expression in results:
            _must_be_grouped(expression, group)


def _must_be_grouped(expression: Expression, group: Sequence[Expression]) -> None:
    if expression in group or isinstance(expression, Literal):
        return
    if isinstance(expression, Call):
        if not FUNCTIONS[expression.function].aggregate:
            for argument in expression.arguments:
                _must_be_grouped(argument, group)
        return
    problem = f"Column not in group bys: {expression.name}"
    raise refusal("column-not-in-group-bys", problem, expression.position, column=expression.name)
