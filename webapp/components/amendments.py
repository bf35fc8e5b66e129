"""What became of a crash: each version of its month that changed it, and what of it."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from dash import html
from dash.development.base_component import Component

from webapp.components.table import table
from webapp.components.text import moment, plural

_NOUNS: Final = {"crashes": ("crash", "crashes"), "vehicles": ("vehicle", "vehicles"), "people": ("person", "people")}
_SAID: Final = {"added": "came", "removed": "went"}


def amendments(history: Mapping[str, Any]) -> list[Component]:
    """The answer of `GET /api/crashes/{id}/history` as a list, the newest first."""
    found = history["amendments"]
    looked = f"Among the last {plural(history['versions'], 'change')} of the month {history['month']}"
    if not found:
        return [html.P(f"{looked}, none was of this crash. What was before may have expired.")]
    words = "" if history["complete"] else f"{looked}; what was before is not looked at, or has expired."
    return [html.Ol([_amendment(each) for each in found], className="amendments"), *([html.P(words)] if words else [])]


def _amendment(each: Mapping[str, Any]) -> Component:
    cells = [
        {
            "row": f"{_NOUNS[change['dataset']][0]} {_short(change['key'])}",
            "column": html.Code(cell["column"]),
            "before": cell["before"],
            "after": cell["after"],
        }
        for change in each["changes"]
        for cell in change["cells"]
    ]
    columns = {"row": "Row", "column": "Column", "before": "Before", "after": "After"}
    return html.Li(
        [
            html.Div(
                [
                    html.Strong(_summary(each)),
                    html.Span(moment(datetime.fromisoformat(each["written_at"])), className="amendment-when"),
                ],
                className="amendment-head",
            ),
            *([table(columns, cells, label="Values that changed")] if cells else []),
            html.P(
                [f"Version {each['version']} of its month, by the page ", html.Code(each["page"])],
                className="amendment-page",
            ),
        ],
        className="amendment",
    )


def _summary(each: Mapping[str, Any]) -> str:
    if not each["changes"]:
        return "Changed; what was before cannot be read any more"
    counts = Counter((change["dataset"], change["kind"]) for change in each["changes"])
    told = []
    for (dataset, kind), count in counts.items():
        one, many = _NOUNS[dataset]
        what = f"the {one}" if dataset == "crashes" else f"{count} {one if count == 1 else many}"
        told.append(f"{what} {_SAID.get(kind, 'changed')}")
    words = ", ".join(told)
    return words[0].upper() + words[1:]


def _short(key: str) -> str:
    return key if len(key) <= 16 else f"{key[:12]}…"
