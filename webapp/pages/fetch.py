"""Data fetcher: ask for a copy, know before what it costs, and watch it to the last row."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from streams.domain.cron import CHICAGO
from streams.extent import ALL_SINCE
from streams.records import DATASETS
from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.done import done
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.components.progress import ended, progress, run_path, utc
from webapp.components.request import request
from webapp.components.table import table
from webapp.components.text import duration, moment
from webapp.components.who import who_may

TICK_MS: Final = 2000
# A worker takes up a request in a second or two.
WAITING_SECONDS: Final = 30
# The inputs whose errors stand beside them, by the field that the API names.
FIELDS: Final = {
    "start": "fetch-dates",
    "end": "fetch-dates",
    "datasets": "fetch-datasets",
    "since_days": "fetch-days",
    "request_id": "fetch-name",
}
SIGNS: Final = "Only letters, digits and . : ~ / _ - can be in it"
INPUTS: Final = ("fetch-dates", "fetch-datasets", "fetch-days", "fetch-name")
CHOICES: Final = (
    ("fetch-mode", "value"),
    ("fetch-dates", "value"),
    ("fetch-datasets", "value"),
    ("fetch-from", "value"),
    ("fetch-days", "value"),
    ("fetch-name", "value"),
)


async def layout(ask: Ask, **choices: str) -> Component:
    """The forms as the address has them, and the frames of what follows from them."""
    session = await ask.get("/api/session")
    here = f"/fetch?{urlencode(choices)}" if choices else "/fetch"
    return html.Div(
        [
            dcc.Location(id="fetch-url", refresh=False),
            dcc.Interval(id="fetch-tick", interval=TICK_MS, disabled="run" not in choices),
            heading(
                "Data fetcher",
                "Copy crashes from the portal, with their vehicles and people. What is there already changes nothing.",
            ),
            *who_may(session, "Sending a request", here),
            html.Div(
                [
                    html.Div(
                        [
                            html.Section([html.H2("Request"), _form(choices)], className="card"),
                            html.Section(
                                html.Div(id="fetch-progress"), className="fetch-progress", **aria(label="Progress")
                            ),
                        ]
                    ),
                    html.Section(
                        [
                            html.H2("What it would do"),
                            html.Div(id="fetch-preview", className="fetch-preview busy", **aria(live="polite")),
                        ],
                        className="card",
                    ),
                ],
                className="fetch-columns",
            ),
            html.Section(
                [
                    html.H2("Columns of the portal, now"),
                    html.P(
                        "All columns are fetched, always: Gold is an exact copy, and a column left out today would be "
                        "missing from its past for good. Columns that are new are kept until Gold knows them.",
                        className="fetch-note",
                    ),
                    dmc.SegmentedControl(
                        id="fetch-table",
                        value="crashes",
                        data=list(DATASETS),
                        **aria(label="Table whose columns are shown"),
                    ),
                    html.Div(id="fetch-schema", className="fetch-schema busy"),
                ],
                className="card fetch-live",
            ),
        ],
        className="fetch",
    )


def _form(choices: dict[str, str]) -> Component:
    start, end = _day(choices.get("start")), _day(choices.get("end"))
    today = _today()
    given = [start, end - timedelta(days=1)] if start and end and start < end else [today - timedelta(days=7), today]
    asked = [name for name in choices.get("datasets", "").split(",") if name in DATASETS]
    days = choices.get("since_days", "")
    quick = [
        dmc.Button(words, id={"type": "fetch-quick", "span": name}, variant="default", size="sm")
        for name, words in QUICK.items()
    ]
    backfill = html.Div(
        [
            html.P("Everything that happened on some days, whenever it was published.", className="fetch-note"),
            dmc.DatePickerInput(
                id="fetch-dates",
                type="range",
                label="Crash dates, first and last day",
                value=[day.isoformat() for day in given],
                valueFormat="MMM D, YYYY",
                minDate=ALL_SINCE.isoformat(),
                maxDate=today.isoformat(),
                allowSingleDateInRange=True,
                firstDayOfWeek=0,
            ),
            html.Div(quick, className="fetch-quick", role="group", **aria(label="Quick choices of days")),
        ],
        className="stack",
    )
    streaming = html.Div(
        [
            html.P(
                "Whatever was published lately, of whichever day: amendments, late reports.", className="fetch-note"
            ),
            dmc.RadioGroup(
                dmc.Stack([dmc.Radio("From where it left off", value="mark"), dmc.Radio("Look back", value="days")]),
                id="fetch-from",
                label="Published since",
                value="days" if days.isdecimal() else "mark",
            ),
            dmc.NumberInput(
                id="fetch-days",
                label="Days to look back",
                value=int(days) if days.isdecimal() else 7,
                min=1,
                max=20_000,
                allowDecimal=False,
                debounce=400,
                disabled=not days.isdecimal(),
            ),
        ],
        className="stack",
    )
    return html.Div(
        [
            dmc.Tabs(
                [
                    dmc.TabsList(
                        [dmc.TabsTab("Backfill", value="backfill"), dmc.TabsTab("Streaming", value="streaming")],
                        grow=True,
                    ),
                    dmc.TabsPanel(backfill, value="backfill"),
                    dmc.TabsPanel(streaming, value="streaming"),
                ],
                id="fetch-mode",
                value="streaming" if choices.get("mode") == "streaming" else "backfill",
            ),
            dmc.CheckboxGroup(
                dmc.Group([dmc.Checkbox(label=name, value=name) for name in DATASETS]),
                id="fetch-datasets",
                label="Tables",
                value=asked or list(DATASETS),
            ),
            dmc.TextInput(
                id="fetch-name",
                label="Request id (optional)",
                description="Names the run. The same id again is the same run, and does nothing twice.",
                value=choices.get("request_id", ""),
                debounce=400,
            ),
            dmc.Button("Send the request", id="fetch-send"),
            html.Div(id="fetch-problem", role="status"),
        ],
        className="stack fetch-form",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Preview what the forms ask for, send it, and follow it."""

    @app.callback(
        Output("fetch-preview", "children"),
        Output("fetch-url", "search"),
        *(Output(name, "error") for name in INPUTS),
        *(Input(*choice) for choice in CHOICES),
        State("fetch-url", "search"),
        running=[(Output("fetch-preview", "className"), "fetch-preview busy", "fetch-preview")],
    )
    async def preview(*given: Any) -> list[Any]:
        fields, search = _fields(*given[:-1]), given[-1] or ""
        # At first the address says what the forms say.
        address = _address(fields, search) if ctx.triggered_id else no_update
        try:
            _complete(fields)
            shown: Any = request(await ask.get("/api/fetch/preview", **fields))
        except Refused as refused:
            errors = _errors(refused)
            waiting = html.P("Mend what is marked, and the cost is shown here.", className="fetch-note")
            return [waiting if any(errors) else problem(refused), address, *errors]
        except _Incomplete as incomplete:
            waiting = html.P("Mend what is marked, and the cost is shown here.", className="fetch-note")
            return [waiting, address, *_beside("fetch-datasets", str(incomplete))]
        return [shown, address, *_beside(None, None)]

    @app.callback(
        Output("fetch-problem", "children"),
        Output("fetch-url", "search", allow_duplicate=True),
        *(Output(name, "error", allow_duplicate=True) for name in INPUTS),
        Input("fetch-send", "n_clicks"),
        *(State(*choice) for choice in CHOICES),
        prevent_initial_call=True,
        running=[(Output("fetch-send", "loading"), True, False)],
    )
    async def send(_: int | None, *given: Any) -> list[Any]:
        fields = _fields(*given)
        try:
            _complete(fields)
            accepted = await ask.post("/api/fetch/publish", fields)
        except Refused as refused:
            errors = _errors(refused)
            return [None if any(errors) else problem(refused), no_update, *errors]
        except _Incomplete as incomplete:
            return [None, no_update, *_beside("fetch-datasets", str(incomplete))]
        runs = {"run": ",".join(accepted["run_ids"]), "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"}
        sent = done(html.Strong("Sent as "), _runs(accepted["run_ids"]), ". Below one sees how far it is.")
        return [sent, _address(fields, urlencode(runs)), *_beside(None, None)]

    @app.callback(
        Output("fetch-progress", "children"),
        Output("fetch-tick", "disabled"),
        Input("fetch-tick", "n_intervals"),
        Input("fetch-url", "search"),
    )
    async def follow(_: int | None, search: str | None) -> tuple[Any, bool]:
        asked = dict(parse_qsl((search or "").removeprefix("?")))
        names = [name for name in asked.get("run", "").split(",") if name][: len(DATASETS)]
        if not names:
            return None, True
        try:
            found = await asyncio.gather(*(_followed(ask, name, _moment(asked.get("at"))) for name in names))
        except Refused as refused:
            return problem(refused), False
        return [html.H2("Progress"), *(shown for shown, _ in found)], all(over for _, over in found)

    @app.callback(
        Output("fetch-schema", "children"),
        Input("fetch-table", "value"),
        running=[(Output("fetch-schema", "className"), "fetch-schema busy", "fetch-schema")],
    )
    async def schema(dataset: str) -> Any:
        try:
            return _schema(await ask.get("/api/schema/columns", dataset=dataset))
        except Refused as refused:
            return problem(refused)

    @app.callback(
        Output("fetch-dates", "value"),
        Input({"type": "fetch-quick", "span": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    async def quick(_: list[int | None]) -> list[str]:
        first, last = quick_span(ctx.triggered_id["span"], _today())
        return [first.isoformat(), last.isoformat()]

    app.clientside_callback(  # type: ignore[no-untyped-call]
        "since => since !== 'days'", Output("fetch-days", "disabled"), Input("fetch-from", "value")
    )


QUICK: Final = {
    "7": "Last 7 days",
    "30": "Last 30 days",
    "month": "This month",
    "last-month": "Last month",
    "year": "This year",
}


def quick_span(name: str, today: date) -> tuple[date, date]:
    """The first and the last day that a quick choice stands for."""
    if name == "last-month":
        last = today.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    if name == "month":
        return today.replace(day=1), today
    if name == "year":
        return today.replace(month=1, day=1), today
    return today - timedelta(days=int(name)), today


class _Incomplete(Exception):
    """Something that a query string cannot say: that nothing is chosen."""


def _fields(
    mode: str, dates: list[str | None] | None, datasets: list[str], since: str, days: Any, name: str | None
) -> dict[str, Any]:
    """The body of the request that the forms stand for; its end is exclusive, as everywhere in the API."""
    fields: dict[str, Any] = {"mode": mode}
    if mode == "backfill":
        first, last = (_day(text) for text in (dates or [None, None]))
        if first:
            fields["start"] = first.isoformat()
        if last:
            fields["end"] = (last + timedelta(days=1)).isoformat()
    elif since == "days":
        fields["since_days"] = days
    fields["datasets"] = [dataset for dataset in DATASETS if dataset in datasets]
    if name and name.strip():
        fields["request_id"] = name.strip()
    return fields


def _complete(fields: dict[str, Any]) -> None:
    if not fields["datasets"]:
        raise _Incomplete("Choose at least one table")


def _address(fields: dict[str, Any], search: str) -> str:
    """The page's address for these choices; the run that is followed stays in it."""
    followed = {name: value for name, value in parse_qsl(search.removeprefix("?")) if name in ("run", "at")}
    return "?" + urlencode({**fields, "datasets": ",".join(fields["datasets"]), **followed}, safe=",:")


def _errors(refused: Refused) -> list[str | None]:
    field = refused.error.field or ""
    message = refused.error.message.removeprefix(f"{field}: ")
    return _beside(FIELDS.get(field.split(".")[0]), SIGNS if "pattern" in message else message)


def _beside(where: str | None, message: str | None) -> list[str | None]:
    """`message` for the input it belongs to; for all others, that nothing is wrong."""
    return [message if name == where else None for name in INPUTS]


async def _followed(ask: Ask, name: str, at: datetime | None) -> tuple[Component, bool]:
    """How far a run is, and whether there is no more to wait for."""
    now = datetime.now(UTC)
    try:
        found = await ask.get(f"/api/runs/{quote(name)}")
    except Refused as refused:
        if refused.status != 404:
            raise
        return await _unheard(ask, name, at, now)
    return progress(found["run"], found["stages"], now), ended(found["run"], found["stages"])


async def _unheard(ask: Ask, name: str, at: datetime | None, now: datetime) -> tuple[Component, bool]:
    """What is to be said of a run that Gold has not heard of: it waits, or was a poll that found nothing new."""
    marks = (await ask.get("/api/fetch/watermarks"))["watermarks"]
    mark = next((mark for mark in marks if name.endswith(f"-{mark['dataset']}")), None)
    polled = utc(mark["polled_at"]) if mark else None
    if mark and polled and (mark["run_id"] == name or (at and polled > at)):
        words = f"Nothing new: {mark['dataset']} were polled {moment(polled)}. Such a poll leaves no run."
        return _waiting(name, "complete", words), True
    waited = (now - at).total_seconds() if at else 0
    words = f"Waiting for a worker, for {duration(waited)}."
    if waited > WAITING_SECONDS:
        words += " Home says whether one is running."
    return _waiting(name, "waiting", words), False


def _waiting(name: str, state: str, words: str) -> Component:
    head = [html.Span(state, className=f"state state-{state}"), html.Span(name, className="progress-id")]
    return html.Article([html.Div(head, className="progress-head"), html.P(words)], className="progress")


def _runs(names: list[str]) -> Component:
    links: list[Any] = []
    for name in names:
        links += [", "] * bool(links) + [dcc.Link(name, href=run_path(name))]
    return html.Span(links)


def _schema(found: dict[str, Any]) -> list[Component]:
    columns = found["columns"]
    different = [column for column in columns if column["drift"]]
    rows = [
        {
            **column,
            "name": html.Code(column["name"]),
            "gold": column["gold_type"] or "not yet",
            "said": column["drift"] or column["description"],
        }
        for column in columns
    ]
    words = f"{len(columns)} columns of {found['portal_id']}, " + (
        f"{len(different)} of them not as known" if different else "all as Gold knows them"
    )
    titles = {
        "name": "Column",
        "type": "Type on the portal",
        "gold": "Type in Gold",
        "said": "What the portal says of it",
    }
    return [html.P(words), table(titles, rows, label=f"Columns of {found['dataset']}")]


def _today() -> date:
    return datetime.now(CHICAGO).date()


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _moment(text: str | None) -> datetime | None:
    try:
        return utc(text)
    except ValueError:
        return None
