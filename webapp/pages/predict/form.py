"""The form of a crash: what a model can be asked with, grouped, with what is filled in."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from webapp.components.aria import aria
from webapp.components.explanation import category_in_words
from webapp.pages.predict.crash import AREAS, CHILDREN, MOST, TICKED, Flat, rows_of

# How many fields of a group stand open; the others are one click away.
_OPEN: Final[Mapping[str, int]] = {
    "when and where": 3,
    "road and weather": 6,
    "what happened": 3,
    "report": 0,
    "vehicles": 3,
    "people": 4,
}
_ONE: Final = {"vehicles": "Vehicle", "people": "Person"}

Field = dict[str, Any]


def control_id(table: str, row: int, name: str) -> dict[str, Any]:
    """The id of a control of the form."""
    return {"type": "predict-value", "table": table, "row": row, "name": name}


def merged(*forms: Sequence[Field]) -> list[Field]:
    """The fields of several models' forms, each once, with the choices of all of them."""
    found: dict[tuple[str, str], Field] = {}
    for field in (field for form in forms for field in form):
        if field["name"].startswith("area_"):
            label = "Damaged areas, of 12"
            field = {**field, "name": AREAS, "label": label, "kind": "number", "low": 0, "high": 12}
        key = field["table"], field["name"]
        if key in found and field["choices"]:
            choices = sorted({*(found[key]["choices"] or ()), *field["choices"]})
            found[key] = {**found[key], "choices": choices if field["table"] == "crashes" else field["choices"]}
        found.setdefault(key, field)
    return list(found.values())


def labels_of(fields: Sequence[Field]) -> dict[str, str]:
    """Plain words by the name of a field, `people.age` or `weather_condition`."""
    return {
        field["name"] if field["table"] == "crashes" else f"{field['table']}.{field['name']}": field["label"]
        for field in fields
    }


def label_of(key: str, labels: Mapping[str, str]) -> str:
    """Plain words for what a crash holds under `key`."""
    if key in CHILDREN:
        return key.capitalize()
    table, _, rest = key.partition(".")
    number, _, name = rest.partition(".")
    if not name:
        return labels.get(key, key)
    return f"{_ONE[table]} {int(number) + 1}: {labels.get(f'{table}.{name}', name).lower()}"


def form(fields: Sequence[Field], flat: Flat, unfolded: Sequence[str]) -> list[Component]:
    """The groups, with the values of `flat`; what is folded, and not named by `unfolded`, has no control yet.

    Controls are costly: a browser draws a few dozen in the time of a blink, all of them in a second.
    """
    groups: list[Component] = []
    for (table, group), found in groupby(fields, key=lambda field: (field["table"], field["group"])):
        of_group = list(found)
        if table == "crashes":
            inside: list[Any] = _controls(of_group, flat, "crashes", 0, unfolded)
            groups.append(html.Fieldset([html.Legend(group.capitalize()), *inside], className="predict-group"))
        else:
            groups.append(_rows(of_group, flat, table, unfolded))
    return groups


def _rows(fields: list[Field], flat: Flat, table: str, unfolded: Sequence[str]) -> Component:
    count, noun = rows_of(flat, table), _ONE[table]
    rows: list[Any] = [
        html.Fieldset(
            [
                html.Legend(f"{noun} {row + 1}"),
                html.Button(
                    "Remove",
                    id={"type": "predict-remove", "table": table, "row": row},
                    className="predict-remove",
                    **aria(label=f"Remove {noun.lower()} {row + 1}"),
                ),
                *_controls(fields, flat, table, row, unfolded),
            ],
            className="predict-row",
        )
        for row in range(count)
    ]
    nothing = html.P(f"No {noun.lower()}: that counts as not known, not as none.", className="predict-hint")
    return html.Fieldset(
        [
            html.Legend(table.capitalize()),
            *(rows or [nothing]),
            dmc.Button(
                f"Add a {noun.lower()}",
                id={"type": "predict-add", "table": table},
                variant="default",
                disabled=count >= MOST,
            ),
        ],
        className="predict-group",
    )


def _controls(fields: list[Field], flat: Flat, table: str, row: int, unfolded: Sequence[str]) -> list[Any]:
    prefix, group = f"{table}.{row}." if table in CHILDREN else "", fields[0]["group"]
    ticks = [field for field in fields if field["kind"] == "flag"]
    others = [field for field in fields if field["kind"] != "flag"]
    shown, folded = others[: _OPEN[group]], others[_OPEN[group] :]
    lines: list[Any] = []
    if shown:
        lines.append(_grid([_control(field, flat.get(prefix + field["name"], ""), table, row) for field in shown]))
    if not folded and not ticks:
        return lines
    fold, filled = f"{group}.{row}", [field["name"] for field in (*folded, *ticks) if flat.get(prefix + field["name"])]
    is_open = fold in unfolded
    lines.append(
        html.Button(
            "Less" if is_open else f"More{f' · {len(filled)} filled in' if filled else ''}",
            id={"type": "predict-fold", "fold": fold},
            className="predict-fold",
            **aria(
                expanded=str(is_open).lower(),
                label=f"{'Less' if is_open else 'More'} of {group}{f' {row + 1}' if prefix else ''}",
            ),
        )
    )
    if is_open:
        controls = [_control(field, flat.get(prefix + field["name"], ""), table, row) for field in folded]
        if ticks:
            controls.append(_ticks(ticks, filled, table, row))
        lines.append(_grid(controls))
    return lines


def _grid(controls: list[Component]) -> Component:
    return html.Div(controls, className="predict-fields")


def _ticks(fields: list[Field], filled: list[str], table: str, row: int) -> Component:
    boxes: Component = dmc.CheckboxGroup(
        id=control_id(table, row, TICKED),
        label="Also",
        value=[field["name"] for field in fields if field["name"] in filled],
        children=html.Div(
            [dmc.Checkbox(label=field["label"], value=field["name"], size="sm") for field in fields],
            className="predict-ticks",
        ),
    )
    return html.Div(boxes, className="predict-wide")


def _control(field: Field, value: str, table: str, row: int) -> Component:
    given: dict[str, Any] = {"id": control_id(table, row, field["name"]), "label": field["label"]}
    control: Component
    if field["kind"] == "category":
        # What Gold says may be something that no model tells apart: it is shown all the same.
        values = [*field["choices"], *([value] if value and value not in field["choices"] else [])]
        control = dmc.Select(
            **given,
            data=[{"value": each, "label": category_in_words(each)} for each in values],
            value=value or None,
            placeholder="not known",
            clearable=True,
            searchable=len(values) > 8,
            nothingFoundMessage="No such value",
            clearButtonProps=aria(label=f"Clear {field['label']}"),
        )
    elif field["kind"] == "number":
        control = dmc.NumberInput(
            **given,
            value=float(value) if _is_number(value) else "",
            placeholder="not known",
            hideControls=True,
            debounce=500,
        )
    elif field["kind"] == "time":
        control = dmc.DateTimePicker(
            **given,
            value=value.replace("T", " ") + ":00" if len(value) == 16 else None,
            valueFormat="MM/DD/YYYY HH:mm",
            placeholder="not known",
            clearable=True,
            clearButtonProps=aria(label=f"Clear {field['label']}"),
        )
    else:
        control = dmc.TextInput(**given, value=value, placeholder="not known", debounce=500)
    return control


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
