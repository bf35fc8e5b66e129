"""Buckets: folders and objects, and what is in one of them."""

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.problem import problem
from webapp.components.records import records
from webapp.components.table import table
from webapp.components.text import moment, number, size
from webapp.pages.data import removal
from webapp.pages.data.choices import Choices

LISTED: Final = 100
ROWS: Final = 50


def layout(choices: Choices) -> list[Component]:
    """The frame: the folder at the left, the object that is looked into beside it."""
    return [
        dcc.Store(id="data-objects-choices", data=choices.stored()),
        html.Div(
            [
                html.Section(
                    [
                        _crumbs(choices),
                        html.Div(html.P("Loading…", className="data-wait"), id="data-list", className="data-list"),
                        removal.button(
                            "Delete this folder …" if choices.prefix else "Empty this bucket …", id="data-remove-open"
                        ),
                    ],
                    className="card stack",
                    **aria(label="Folder"),
                ),
                html.Section(
                    html.Div(
                        _unchosen() if not choices.key else html.P("Loading…", className="data-wait"), id="data-look"
                    ),
                    className="card",
                    **aria(label="Object"),
                ),
            ],
            className="data-objects",
        ),
        removal.layout(f"{choices.tab}/{choices.prefix}".rstrip("/"), choices.tab, choices.prefix),
    ]


def callbacks(app: Dash, ask: Ask) -> None:
    """Fill the folder, and look into the object."""

    @app.callback(
        Output("data-list", "children"), Input("data-objects-choices", "data"), Input("data-removed", "children")
    )
    async def fill_list(stored: dict[str, Any], _: Any) -> Any:
        choices = Choices.of(stored)
        try:
            found = await ask.get(
                "/api/minio/browse",
                bucket=choices.tab,
                prefix=choices.prefix,
                after=choices.after or None,
                limit=LISTED,
            )
        except Refused as refused:
            return problem(refused)
        return _list(choices, found)

    @app.callback(Output("data-look", "children"), Input("data-objects-choices", "data"))
    async def look(stored: dict[str, Any]) -> Any:
        choices = Choices.of(stored)
        if not choices.key:
            return _unchosen()
        try:
            found = await ask.get("/api/minio/preview", bucket=choices.tab, key=choices.key, limit=ROWS)
        except Refused as refused:
            return [html.H2(_name(choices.key)), problem(refused), _downloads(choices, False)]
        return _look(choices, found)


def _crumbs(choices: Choices) -> Component:
    """The bucket and the folders down to this one, each a link."""
    parts: list[Any] = [dcc.Link(choices.tab, href=choices.address(prefix="", key="", after=""))]
    above = ""
    for folder in choices.prefix.split("/")[:-1]:
        above += f"{folder}/"
        parts += [
            html.Span("/", **aria(hidden="true")),
            dcc.Link(folder, href=choices.address(prefix=above, key="", after="")),
        ]
    return html.Nav(parts, className="data-crumbs", **aria(label="Folders above"))


def _list(choices: Choices, found: dict[str, Any]) -> Any:
    if not found["folders"] and not found["objects"]:
        return empty("Nothing is here", "What the service keeps appears here by itself.", "bronze")
    folders = [
        {
            "name": dcc.Link(
                f"{_name(folder)}/", href=choices.address(prefix=folder, key="", after=""), className="data-folder"
            ),
            "size": "",
            "modified": "",
        }
        for folder in found["folders"]
    ]
    objects = [
        {
            "name": dcc.Link(
                _name(one["key"]),
                href=choices.address(key=one["key"]),
                className="data-object current" if one["key"] == choices.key else "data-object",
            ),
            "size": size(one["size"]),
            "modified": moment(datetime.fromisoformat(one["modified"])),
        }
        for one in found["objects"]
    ]
    columns = {"name": "Name", "size": "Size", "modified": "Written"} if objects else {"name": "Name"}
    more = []
    if choices.after:
        more.append(dcc.Link("From the beginning", href=choices.address(after="")))
    if found["after"]:
        more.append(dcc.Link("What comes next", href=choices.address(after=found["after"])))
    return [
        table(columns, [*folders, *objects], label=f"What is in {choices.tab}/{choices.prefix}"),
        html.Div(more, className="data-more"),
    ]


def _unchosen() -> Component:
    return empty("No object is chosen", "Choose one in the folder to look into it.", "silver")


def _look(choices: Choices, found: dict[str, Any]) -> list[Any]:
    facts = {
        "Stored": " ".join(
            filter(
                None,
                (size(found["size"]), found["content_encoding"], moment(datetime.fromisoformat(found["modified"]))),
            )
        ),
        **({"rows": number(found["count"])} if found["count"] is not None else {}),
        **{name: value for name, value in found["metadata"].items() if name != "rows"},
    }
    return [
        html.H2(_name(choices.key), className="data-title"),
        _downloads(choices, found["kind"] == "table"),
        html.Dl(
            [part for name, value in facts.items() for part in (html.Dt(name), html.Dd(value))], className="data-facts"
        ),
        _content(choices, found),
        *([html.P(f"{found['cut'].capitalize()}.", className="data-cut")] if found["cut"] else []),
    ]


def _content(choices: Choices, found: dict[str, Any]) -> Component:
    match found["kind"]:
        case "table":
            # The portal's bookkeeping after what it is about.
            columns = sorted(found["columns"], key=lambda name: ":" in name[:1])
            return records(columns, found["rows"], label=f"First rows of {choices.key}")
        case "markdown":
            # The page and the object have their headings above those of the text.
            text = re.sub(r"^#", "###", found["text"], flags=re.MULTILINE)
            return dcc.Markdown(text, className="data-card", link_target="_blank")
        case "binary":
            return empty("Bytes without a form that is known here", "Download it to look at them.", "bronze")
        case _:
            return html.Pre(found["text"], className="data-text", tabIndex=0)


def _downloads(choices: Choices, is_table: bool) -> Component:
    named = {"bucket": choices.tab, "key": choices.key}
    rows = [_download("First rows as CSV", f"/api/minio/preview.csv?{urlencode(named | {'limit': '1000'})}")]
    stored = _download("Download as stored", f"/api/minio/object?{urlencode(named)}")
    return html.Div([stored, *(rows if is_table else [])], className="data-downloads")


def _download(title: str, href: str) -> Component:
    return html.A(title, href=href, download="", className="data-download")


def _name(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]
