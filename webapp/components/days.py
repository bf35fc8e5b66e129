"""The first and the last day of a choice, as one field."""

from datetime import date
from typing import Any

import dash_mantine_components as dmc
from dash.development.base_component import Component

from webapp.components.aria import aria


def days(id: str, first: str | None, last: str | None, *, label: str, placeholder: str = "All days") -> Component:
    """The field, with the days of an address where they are days; `chosen` reads its value."""
    value = [_day(first), _day(last)]
    field: Component = dmc.DatePickerInput(
        id=id,
        type="range",
        label=label,
        placeholder=placeholder,
        value=value if all(value) else [None, None],
        valueFormat="MMM D, YYYY",
        allowSingleDateInRange=True,
        firstDayOfWeek=0,
        clearable=True,
        clearButtonProps=aria(label=f"Clear {label}"),
        w=280,
    )
    return field


def chosen(value: Any) -> tuple[str | None, str | None]:
    """Both days, or neither while only one of them is picked."""
    first, last = value or (None, None)
    return (first[:10], last[:10]) if first and last else (None, None)


def _day(text: str | None) -> str | None:
    try:
        return date.fromisoformat(text or "").isoformat()
    except ValueError:
        return None
