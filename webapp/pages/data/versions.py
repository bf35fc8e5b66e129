"""Silver: the crash months, their versions, and what differs between two of them."""

from datetime import datetime
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.problem import problem
from webapp.components.records import records
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import moment, number, plural, size
from webapp.pages.data.choices import DATASETS, Choices

SHOWN: Final = 50
VERSION: Final = "A month is written anew with every page that changes it; no version is ever changed."
CELL_COLUMNS: Final = {"key": "Key", "column": "Column", "before": "Before", "after": "After"}


def layout(choices: Choices) -> list[Component]:
    """The frame: months at the left, the chosen month's versions beside them."""
    wait = html.P("Loading…", className="data-wait")
    return [
        dcc.Location(id="data-versions-url", refresh=False),
        dcc.Store(id="data-months-choices", data=choices.stored()),
        html.Div(
            [
                html.Section(
                    [html.H2("Crash months"), html.Div(wait, id="data-months", className="data-list")],
                    className="card",
                ),
                html.Section(
                    [
                        html.H2([term("Versions", VERSION), f" of {choices.month}" if choices.month else ""]),
                        html.Div(wait if choices.month else _unchosen(), id="data-versions", className="data-list"),
                    ],
                    className="card",
                ),
            ],
            className="data-objects",
        ),
        html.Section(
            [
                html.H2("What differs"),
                html.Div(
                    [
                        _select("data-old", "From version", choices.old),
                        _select("data-new", "To version", choices.new),
                        dmc.Select(
                            id="data-dataset",
                            label="Table",
                            value=choices.dataset,
                            data=list(DATASETS),
                            allowDeselect=False,
                        ),
                    ],
                    className="data-compare",
                ),
                html.Div(id="data-difference", className="data-difference"),
            ],
            className="card",
            hidden=not choices.month,
        ),
    ]


def callbacks(app: Dash, ask: Ask) -> None:
    """List months and versions, and compare."""

    @app.callback(Output("data-months", "children"), Input("data-months-choices", "data"))
    async def fill_months(stored: dict[str, Any]) -> Any:
        try:
            found = await ask.get("/api/silver/months")
        except Refused as refused:
            return problem(refused)
        return _months(Choices.of(stored), found["months"])

    @app.callback(
        Output("data-versions", "children"),
        Output("data-old", "data"),
        Output("data-old", "value"),
        Output("data-new", "data"),
        Output("data-new", "value"),
        Input("data-months-choices", "data"),
    )
    async def fill_versions(stored: dict[str, Any]) -> Any:
        choices = Choices.of(stored)
        if not choices.month:
            return (no_update,) * 5
        try:
            found = (await ask.get(f"/api/silver/{choices.month}/versions"))["versions"]
        except Refused as refused:
            return problem(refused), [], None, [], None
        numbers = [str(one["version"]) for one in found]
        options = [{"value": one, "label": f"version {one}"} for one in numbers]
        new = choices.new if choices.new in numbers else numbers[0]
        before = numbers[min(numbers.index(new) + 1, len(numbers) - 1)]
        old = choices.old if choices.old in numbers else before
        return _versions(found), options, old, options, new

    @app.callback(
        Output("data-difference", "children"),
        Output("data-versions-url", "search"),
        Input("data-old", "value"),
        Input("data-new", "value"),
        Input("data-dataset", "value"),
        State("data-months-choices", "data"),
    )
    async def compare(old: str | None, new: str | None, dataset: str, stored: dict[str, Any]) -> Any:
        choices = Choices.of(stored)
        if not choices.month or not old or not new:
            return None, no_update
        search = choices.search(old=old, new=new, dataset=dataset)
        if old == new:
            return empty("Two different versions are needed", "Choose another one to compare with.", "silver"), search
        try:
            query = {"from": old, "to": new, "limit": SHOWN}
            found = await ask.get(f"/api/silver/{choices.month}/compare", **query)
        except Refused as refused:
            return problem(refused), search
        return _difference(found["datasets"], dataset), search


def _select(id: str, label: str, value: str) -> Component:
    options = [{"value": value, "label": f"version {value}"}] if value else []
    chooser: Component = dmc.Select(id=id, label=label, value=value or None, data=options, allowDeselect=False)
    return chooser


def _unchosen() -> Component:
    return empty("No month is chosen", "Choose one to see what became of it.", "silver")


def _months(choices: Choices, months: list[dict[str, Any]]) -> Component:
    if not months:
        return empty("No month yet", "The first page that is merged makes one.", "silver")
    rows = [{**one, **_described(one), "month": _link(choices, one["month"])} for one in reversed(months)]
    columns = {"month": "Month", "version": "Version", "crashes": "Crashes", "vehicles": "Vehicles", "people": "People"}
    return table(columns, rows, label="Crash months, each at its newest version")


def _link(choices: Choices, month: str) -> Component:
    chosen = "data-object current" if month == choices.month else "data-object"
    return dcc.Link(month, href=Choices(tab="silver", month=month).address(), className=chosen)


def _versions(versions: list[dict[str, Any]]) -> list[Any]:
    rows = [{**one, **_described(one)} for one in versions]
    columns = {
        "version": "Version",
        "written": "Written",
        "crashes": "Crashes",
        "vehicles": "Vehicles",
        "people": "People",
        "size": "Size",
        "page": "Caused by",
    }
    return [table(columns, rows, label="Versions, newest first")]


def _described(version: dict[str, Any]) -> dict[str, Any]:
    return {
        **(version["rows"] or {}),
        "size": size(version["size"]),
        "written": moment(datetime.fromisoformat(version["written_at"])),
    }


def _difference(datasets: dict[str, dict[str, Any]], dataset: str) -> list[Any]:
    totals = [
        {"table": name, **{kind: found[kind] for kind in ("added", "removed", "changed")}}
        for name, found in datasets.items()
    ]
    found = datasets[dataset]
    parts: list[Any] = [
        table(
            {"table": "Table", "added": "Rows added", "removed": "Rows removed", "changed": "Rows changed"},
            totals,
            label="Rows that differ, by table",
        )
    ]
    if found["cells"]:
        told = ", ".join(f"{name} ({number(rows)})" for name, rows in found["columns"].items())
        cells = [{title: one[name] for name, title in CELL_COLUMNS.items()} for one in found["cells"]]
        parts += [
            html.H3(f"Values that changed in {dataset}"),
            html.P(f"Rows by column: {told}", className="data-cut"),
            records(list(CELL_COLUMNS.values()), cells, label=f"Values of {dataset} before and after"),
        ]
    for kind in ("added", "removed"):
        keys = found[f"{kind}_keys"]
        if keys:
            parts.append(_keys(f"{plural(found[kind], 'row')} {kind} in {dataset}", keys, found[kind]))
    if len(parts) == 1:
        parts.append(html.P(f"Nothing differs in {dataset}.", className="data-cut"))
    return parts


def _keys(title: str, keys: list[str], count: int) -> Component:
    more = [html.Li(f"and {number(count - len(keys))} more")] if count > len(keys) else []
    listed = html.Ul([*(html.Li(html.Code(key)) for key in keys), *more], className="data-keys")
    return html.Details([html.Summary(title), listed], **aria(label=title))
