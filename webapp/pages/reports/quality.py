"""Data quality: what share of each column is there, month by month, and what was set to null and why."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.days import chosen, days
from webapp.components.empty import empty
from webapp.components.heat import Cell, heat
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import plural
from webapp.pages.reports.words import run_link, search, waiting, when

DATASETS: Final = {"crashes": "Crashes", "vehicles": "Vehicles", "people": "People"}
SHOW: Final = {"filled": "Share filled", "flagged": "Share flagged"}
MOST_MONTHS: Final = 24
REASONS: Final = {
    "unparsable": "The text is no value of the column's type, such as a word where a number belongs.",
    "impossible": "A value that the column cannot have, such as a speed limit of 0 or a place outside of the city.",
}


async def layout(_: Ask, choices: dict[str, str]) -> Component:
    """The choices of the address, above the heat map that they make."""
    dataset, show = choices.get("dataset", "crashes"), choices.get("show", "filled")
    return html.Div(
        [
            dcc.Location(id="reports-quality-url", refresh=False),
            html.Div(
                [
                    dmc.SegmentedControl(
                        id="reports-quality-dataset",
                        data=[{"value": value, "label": label} for value, label in DATASETS.items()],
                        value=dataset if dataset in DATASETS else "crashes",
                        size="md",
                    ),
                    dmc.SegmentedControl(
                        id="reports-quality-show",
                        data=[{"value": value, "label": label} for value, label in SHOW.items()],
                        value=show if show in SHOW else "filled",
                        size="md",
                    ),
                    days(
                        "reports-quality-days",
                        choices.get("from"),
                        choices.get("to"),
                        label="Crash dates",
                        placeholder="The last 12 months",
                    ),
                ],
                className="reports-controls",
            ),
            html.P(
                [
                    "A value is not there where the portal left it blank or said that nothing is known (UNKNOWN, N/A), "
                    "or where it was ",
                    term("flagged", "Set to null because it cannot be; quality_flags of the row names the column."),
                    ". No row is ever dropped.",
                ],
                className="reports-lead",
            ),
            html.Div(waiting(), id="reports-quality-map", className="card reports-quality-map"),
            html.Div(
                [
                    html.Section(
                        [html.H2("Flagged, by reason"), html.Div(id="reports-quality-flags")], className="card"
                    ),
                    html.Section(
                        [html.H2("Schema drift"), html.Div(id="reports-quality-drifts")],
                        className="card",
                    ),
                ],
                className="reports-columns section",
            ),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Ask for the chosen table and days, and draw them."""

    @app.callback(
        Output("reports-quality-map", "children"),
        Output("reports-quality-flags", "children"),
        Output("reports-quality-drifts", "children"),
        Output("reports-quality-url", "search"),
        Input("reports-quality-dataset", "value"),
        Input("reports-quality-show", "value"),
        Input("reports-quality-days", "value"),
    )
    async def show(dataset: str, what: str, value: Any) -> tuple[Any, ...]:
        first, last = chosen(value)
        address = search("quality", dataset=dataset, show="" if what == "filled" else what, from_=first, to=last)
        asked = {"dataset": dataset, "from": first, "to": last}
        try:
            found, drifts = await asyncio.gather(
                ask.get("/api/reports/quality", **asked), ask.get("/api/reports/drifts")
            )
        except Refused as refused:
            return problem(refused), None, None, address
        rows = by_year(found["rows"])
        return _map(rows, dataset, what), _flags(rows), _drifts(drifts["rows"]), address


def by_year(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`rows` as they are while their months fit a screen; else summed up by year."""
    if len({row["month"] for row in rows}) <= MOST_MONTHS:
        return rows
    sums: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counted = sums.setdefault((row["month"][:4], row["column"]), Counter())
        counted.update({name: row[name] for name in ("rows", "filled", "unparsable", "impossible")})
    return [{"month": year, "column": column, **counted} for (year, column), counted in sums.items()]


def _map(rows: list[dict[str, Any]], dataset: str, what: str) -> Component:
    if not rows:
        return empty("No row in these days", "Choose other days, or ask for a copy on the page Data fetcher.", "fetch")
    months = _distinct(row["month"] for row in rows)
    columns = _distinct(row["column"] for row in rows)
    # What is flagged is little: the most of it makes the darkest cell.
    most = 1.0 if what == "filled" else max(_flagged(row) for row in rows) or 1.0
    cells = {
        (row["column"], row["month"]): Cell(
            _percent(row["filled"], row["rows"]) if what == "filled" else _percent(_null(row), row["rows"]),
            row["filled"] / row["rows"] if what == "filled" else _flagged(row) / most,
            f"{row['filled']:,} of {row['rows']:,} filled, {_null(row):,} flagged",
        )
        for row in rows
    }
    return heat("Column (%)", months, columns, cells, label=f"{SHOW[what]} of each column of {dataset}, by month")


def _flags(rows: list[dict[str, Any]]) -> Component:
    counts: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    for row in rows:
        totals[row["column"]] += row["rows"]
        for reason in REASONS:
            counts[row["column"], reason] += row[reason]
    found = [
        {
            "column": html.Code(column),
            "reason": term(reason, REASONS[reason]),
            "rows": count,
            "share": f"{_percent(count, totals[column])} %",
        }
        for (column, reason), count in counts.most_common()
        if count
    ]
    if not found:
        return html.P("Nothing is flagged in these days.", className="reports-count")
    return table(
        {"column": "Column", "reason": "Reason", "rows": "Values", "share": "Share"}, found, label="Flags by reason"
    )


def _drifts(drifts: list[dict[str, Any]]) -> Component:
    if not drifts:
        return html.P("The portal's columns are as this service knows them.", className="reports-count")
    rows = [
        {
            "column": html.Code(f"{drift['dataset']}.{drift['column']}"),
            "drift": drift["drift"],
            "detail": drift["detail"],
            "seen": f"{when(drift['first_seen_at'])} to {when(drift['last_seen_at'])}",
            "run": run_link(drift["run_id"]),
        }
        for drift in drifts
    ]
    titles = {"column": "Column", "drift": "Drift", "detail": "What it is", "seen": "Seen", "run": "Last seen by"}
    return html.Div([html.P(plural(len(drifts), "column")), table(titles, rows, label="Schema drift")])


def _null(row: dict[str, Any]) -> int:
    return int(row["unparsable"] + row["impossible"])


def _flagged(row: dict[str, Any]) -> float:
    return _null(row) / row["rows"] if row["rows"] else 0.0


def _percent(part: int, whole: int) -> str:
    """A share of which 0 % and 100 % are exactly that."""
    share = part / whole if whole else 0.0
    if 0 < share < 0.001:
        return "<0.1"
    return f"{min(share, 0.999):.1%}".rstrip("%") if 0 < share < 1 else f"{share:.0%}".rstrip("%")


def _distinct(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
