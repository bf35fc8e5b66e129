"""Summary: the copy in figures, and the report on a period as it is printed."""

import asyncio
from datetime import date, datetime
from string import capwords
from typing import Any, Final
from urllib.parse import urlencode

import plotly.graph_objects as go
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from webapp.api.report_figures import DEFINITIONS, TOTALS, Report, changed
from webapp.ask import Ask, Refused
from webapp.components.days import chosen, days
from webapp.components.figure import figure
from webapp.components.heat import Cell, heat
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import NOTHING, clock, number, short_day, size
from webapp.components.text import day as full_day
from webapp.pages.reports.words import run_link, search, state, took, waiting, when

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# As the cards of the home page have them, from the ground up; see style.css for their variables.
OUTCOMES: Final = (
    ("no_injury", "No injury", "#5f9fc9", ""),
    ("injury", "Injury", "#e08e0b", "/"),
    ("severe", "Severe", "#b3355c", "x"),
    ("unknown", "Not known yet", "#9aa6b2", "."),
)


async def layout(_: Ask, choices: dict[str, str]) -> Component:
    """The frame; figures come by callback into places of their own size."""
    return html.Div(
        [
            dcc.Location(id="reports-summary-url", refresh=False),
            html.Section(
                [html.H2("The copy"), html.Div(_copy_figures(None), id="reports-copy", className="reports-copy")],
                className="card",
            ),
            html.Section(
                [
                    html.H2("Crashes by outcome, against the year before"),
                    html.Div(waiting(), id="reports-windows", className="reports-windows reports-right"),
                ],
                className="card section",
            ),
            html.Section(
                [
                    html.Div(
                        [
                            html.H2("Report on a period"),
                            html.Div(
                                [
                                    days(
                                        "reports-period",
                                        choices.get("from"),
                                        choices.get("to"),
                                        label="Crash dates",
                                        placeholder="The last 30 days",
                                    ),
                                    html.A(
                                        "Download PDF",
                                        id="reports-pdf",
                                        href="/api/reports/download/pdf",
                                        download="",
                                        className="reports-download reports-download-first",
                                    ),
                                    html.A(
                                        "Download CSV",
                                        id="reports-csv",
                                        href="/api/reports/download/csv",
                                        download="",
                                        className="reports-download",
                                    ),
                                ],
                                className="reports-controls",
                            ),
                        ]
                    ),
                    html.Div(waiting(), id="reports-report", className="reports-report"),
                ],
                className="card section",
            ),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Fill in the copy's figures, and the report on the chosen days."""

    @app.callback(
        Output("reports-copy", "children"),
        Output("reports-windows", "children"),
        Input("reports-copy", "id"),
    )
    async def copy(_: str) -> tuple[Any, Any]:
        try:
            found = await ask.get("/api/reports/summary")
        except Refused as refused:
            return problem(refused), None
        return _copy_figures(found), _windows(found["windows"])

    @app.callback(
        Output("reports-report", "children"),
        Output("reports-pdf", "href"),
        Output("reports-csv", "href"),
        Output("reports-summary-url", "search"),
        Input("reports-period", "value"),
    )
    async def report(value: Any) -> tuple[Any, ...]:
        if isinstance(value, list) and any(value) and not all(value):
            return no_update, no_update, no_update, no_update  # the second day is still to be picked
        first, last = chosen(value)
        given = {name: text for name, text in (("from", first), ("to", last)) if text}
        query = f"?{urlencode(given)}" if given else ""
        links = (f"/api/reports/download/pdf{query}", f"/api/reports/download/csv{query}")
        address = search("summary", from_=first, to=last)
        try:
            found = Report.model_validate(await ask.get("/api/reports/period", **given))
        except Refused as refused:
            return problem(refused), *links, address
        return await asyncio.to_thread(_report, found), *links, address


def _copy_figures(found: dict[str, Any] | None) -> Component:
    """Figures in words; None leaves them open."""
    got = found or {}
    rows, runs = got.get("rows", {}), got.get("runs", {})
    audit = got.get("audit")
    models = got.get("models")
    pairs: list[tuple[str, Any]] = [
        ("Crashes", number(rows.get("crashes"))),
        ("Vehicles", number(rows.get("vehicles"))),
        ("People", number(rows.get("people"))),
        ("Scores", number(rows.get("scores"))),
        ("Data through", _moment(got.get("data_through"))),
        ("Crash months", number(got.get("months"))),
        ("Pages fetched", number(got.get("pages"))),
        ("Bytes archived", size(got.get("bytes_archived"))),
        (
            "Runs",
            f"{runs['complete']:,} complete, {runs['running']:,} running, {runs['failed']:,} failed"
            if runs
            else NOTHING,
        ),
        ("Dead letters", _letters(got) if found else NOTHING),
        (
            "Models that serve",
            html.Span([_model(model) for model in models] or "none yet", className="reports-models")
            if models is not None
            else NOTHING,
        ),
        ("Last audit", _audit(audit) if found else NOTHING),
    ]
    return html.Dl([html.Div([html.Dt(title), html.Dd(value)]) for title, value in pairs], className="reports-pairs")


def _letters(got: dict[str, Any]) -> Any:
    if not got["dead_letters"]:
        return "none"
    words = f"{got['dead_letters']:,}, of which {got['dead_letters_waiting']:,} not replayed"
    return dcc.Link(words, href="/reports?tab=letters")


def _model(model: dict[str, Any]) -> Component:
    return html.Code(model["model_version"], title=f"{model['target']}, {model['tier']}")


def _audit(audit: dict[str, Any] | None) -> Any:
    if audit is None:
        return dcc.Link("none yet", href="/reports?tab=audits")
    verdict = {None: "under way", True: "agrees", False: "differs"}[audit["agree"]]
    href = f"/reports?{urlencode({'tab': 'audits', 'audit': audit['run_id']})}"
    return dcc.Link(f"{verdict}, {when(audit['audited_at'] or audit['requested_at'])}", href=href)


def _windows(windows: list[dict[str, Any]]) -> Component:
    if not windows:
        return html.P("There is no crash in Gold yet.", className="reports-count")
    now = [window for window in windows if not window["a_year_before"]]
    then = {window["days"]: window for window in windows if window["a_year_before"]}
    titles = {
        "days": "Last",
        "crashes": "Crashes",
        "change": "Year before",
        "no_injury": "No injury",
        "injury": "Injury",
        "severe": "Severe",
        "unknown": "Not known yet",
        "injured": "People injured",
        "killed": "People killed",
    }
    rows = [
        {
            **window,
            "days": f"{window['days']} days" + ("" if window["whole"] else " *"),
            "change": _against(window["crashes"], then[window["days"]]),
        }
        for window in now
    ]
    short = [] if all(window["whole"] for window in now) else ["* The copy does not reach back so far. "]
    first, last = (date.fromisoformat(now[0][name]) for name in ("first_day", "last_day"))
    note = html.P([*short, f"The last 7 days are {short_day(first)} to {short_day(last)}."], className="reports-count")
    return html.Div([table(titles, rows, label="Crashes by outcome"), note])


def _against(now: int, then: dict[str, Any]) -> str:
    if not then["whole"]:
        return "not in the copy"
    share = changed(now, then["crashes"])
    return f"{then['crashes']:,}" + (f" ({share:+.1%})" if share is not None else "")


def _report(report: Report) -> Component:
    period = f"{full_day(report.first)} to {full_day(report.last)}"
    return html.Div(
        [
            html.P(
                [html.Strong(period), f" · data through {full_day(report.data_through.date())}"],
                className="reports-period",
            ),
            html.Dl([_total(report, *figure_) for figure_ in TOTALS], className="reports-totals"),
            html.Div(
                [
                    html.Div([html.H3(f"Crashes by {report.unit}"), _over_time(report)]),
                    html.Div([html.H3("By weekday and hour"), _hours(report)]),
                    html.Div([html.H3("Most frequent crash types"), _types(report)]),
                    html.Div([html.H3("Places with most people injured"), _places(report)]),
                ],
                className="reports-quarters",
            ),
            html.H3("What to know of the data"),
            html.Ul([html.Li(line) for line in report.remarks], className="reports-notes"),
            html.H3("Last runs, newest first"),
            _runs(report),
            html.Details(
                [
                    html.Summary("How the figures are made"),
                    html.Dl(
                        [html.Div([html.Dt(word), html.Dd(meaning)]) for word, meaning in report.definitions.items()],
                        className="reports-definitions",
                    ),
                ]
            ),
        ]
    )


def _total(report: Report, name: str, title: str, word: str) -> Component:
    now = getattr(report.totals, name)
    before = getattr(report.before, name) if report.before else None
    share = changed(now, before)
    told = "no year before in the copy" if before is None else f"{before:,} a year before"
    return html.Div(
        [
            html.Dt(term(title, DEFINITIONS[word])),
            html.Dd(number(now), className="reports-total", id=f"reports-total-{name}"),
            html.Dd(f"{share:+.1%} · {told}" if share is not None else told, className="reports-change"),
        ]
    )


def _over_time(report: Report) -> Component:
    x = [one.since.isoformat() for one in report.over_time]
    bars = [
        go.Bar(
            name=label,
            x=x,
            y=[getattr(one, name) for one in report.over_time],
            marker={"color": colour, "pattern": {"shape": pattern, "size": 4, "fgopacity": 0.25}},
        )
        for name, label, colour, pattern in OUTCOMES
    ]
    plot = go.Figure(bars, layout={"barmode": "stack", "bargap": 0.2, "hovermode": "x unified"})
    label = f"Bar chart of crashes by {report.unit} and outcome. The same figures stand in the table below."
    twin = table(
        {"since": report.unit.capitalize(), **{name: title for name, title, *_ in OUTCOMES}},
        [one.model_dump() for one in report.over_time],
        label=f"Crashes by {report.unit}",
    )
    return html.Div(
        [
            figure(plot, id="reports-over-time", label=label, height=300),
            html.Details([html.Summary("Show the figures"), twin], className="reports-twin"),
        ]
    )


def _hours(report: Report) -> Component:
    """By blocks of three hours: 24 columns would not fit beside another figure."""
    sums: dict[tuple[str, str], int] = {}
    blocks = [f"{hour}–{hour + 2}" for hour in range(0, 24, 3)]
    for one in report.hours:
        place = WEEKDAYS[one.day_of_week - 1], blocks[one.hour // 3]
        sums[place] = sums.get(place, 0) + one.crashes
    most = max(sums.values(), default=1)
    cells = {place: Cell(f"{count:,}", count / most) for place, count in sums.items()}
    return heat("Hours", blocks, WEEKDAYS, cells, label="Crashes by weekday and three hours of the day")


def _types(report: Report) -> Component:
    rows = [
        {
            "kind": one.kind.capitalize(),
            "crashes": one.crashes,
            "before": NOTHING if one.before is None else f"{one.before:,}",
            "injury": f"{one.injury_crashes / one.crashes:.1%}",
        }
        for one in report.types
    ]
    titles = {"kind": "Type", "crashes": "Crashes", "before": "Year before", "injury": "With injury"}
    return html.Div(table(titles, rows, label="Crash types"), className="reports-right")


def _places(report: Report) -> Component:
    rows = [{"place": _place(place.grid_id, place.street), **place.model_dump()} for place in report.places]
    titles = {"place": "Cell, and its main street", "injured": "Injured", "killed": "Killed", "crashes": "Crashes"}
    return table(titles, rows, label="Places")


def _place(grid_id: str, street: str | None) -> Component:
    return html.Span([html.Code(grid_id.replace("_", ", ")), f" {capwords(street or '')}"])


def _runs(report: Report) -> Component:
    if not report.runs:
        return html.P("Nothing was copied yet.", className="reports-count")
    rows = []
    for one in report.runs:
        run = one.model_dump(mode="json")
        rows.append(
            {
                "run": run_link(one.run_id),
                "state": state(one.status),
                "asked": when(run["requested_at"]),
                "took": took(run),
                "changed": one.crashes_changed,
            }
        )
    titles = {"run": "Run", "state": "State", "asked": "Asked for", "took": "Took", "changed": "Crashes changed"}
    shown: Component = table(titles, rows, label="Last runs")
    return html.Div([shown, html.P(dcc.Link("See all runs", href="/reports?tab=runs"))])


def _moment(text: str | None) -> str:
    if text is None:
        return NOTHING
    at = datetime.fromisoformat(text)
    return f"{full_day(at.date())}, {clock(at)}"
