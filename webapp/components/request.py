"""What a request for a copy would do: its cost, its requests to the portal, and the JSON that is sent."""

import json
from typing import Any
from urllib.parse import unquote_plus

from dash import html
from dash.development.base_component import Component

from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import duration, number, plural

PAGE = "The portal is asked for so many rows at a time. A full page is followed by another one, which may be empty."
WINDOW = "A crash month of one table. Windows are fetched side by side, each page by page."
TIME = "Rows by the pace of the last runs, from the request to the last row in Gold."


def request(preview: dict[str, Any]) -> list[Component]:
    """`GET /api/fetch/preview` as people read it."""
    parts = preview["parts"]
    return [
        html.Dl(
            [
                _figure("Rows", number(preview["rows"]), "by the portal's count"),
                _figure("Pages", number(preview["pages"]), f"of {number(preview['page_rows'])} rows at most"),
                _figure(term("Time", TIME), *_time(preview)),
            ],
            className="request-cost",
        ),
        table(
            {"dataset": "Table", "windows": "Windows", "rows": "Rows", "pages": "Pages"},
            [{**part, "windows": len(part["windows"])} for part in parts],
            label="Cost by table",
        ),
        html.P(
            [term("Windows", WINDOW), " and ", term("pages", PAGE), " are requests to the portal."],
            className="request-note",
        ),
        *([html.P(html.Strong("The portal has no row for this request."))] if not preview["rows"] else []),
        html.Details(
            [
                html.Summary("Requests to the portal"),
                *(_address(part) for part in parts),
            ]
        ),
        html.Details(
            [
                html.Summary("JSON that is sent"),
                html.P(["To ", html.Code("POST /api/fetch/publish"), ":"]),
                html.Pre(json.dumps(preview["body"], indent=2), tabIndex=0),
                html.P(["What that publishes on ", html.Code(preview["messages"][0]["topic"]), ":"]),
                html.Pre(
                    "\n".join(json.dumps(message["value"], indent=2) for message in preview["messages"]), tabIndex=0
                ),
            ],
            open=True,
        ),
    ]


def _figure(label: Any, value: str, note: str) -> Component:
    return html.Div([html.Dt(label), html.Dd(value, className="request-value"), html.Dd(note)])


def _time(preview: dict[str, Any]) -> tuple[str, str]:
    seconds, rate = preview["seconds"], preview["rows_per_second"]
    if seconds is None:
        return "not known yet", "no run of 1,000 rows has ended"
    runs = plural(preview["past_runs"], "run") if preview["past_runs"] > 1 else "run"
    return f"about {duration(max(seconds, 1))}", f"at {rate:,.0f} rows a second, as the last {runs}"


def _address(part: dict[str, Any]) -> Component:
    pages = part["pages"] - 1
    more = f", and {plural(pages, 'more page')} like it" if pages > 0 else ""
    return html.Div(
        [
            html.P([html.Strong(part["dataset"]), f": the first page{more}"]),
            html.A(unquote_plus(part["request"]), href=part["request"], className="request-address"),
        ]
    )
