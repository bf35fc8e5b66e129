"""Scheduler: what is done by itself, and when."""

import time
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, Patch, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from streams.records import DATASETS
from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.done import done
from webapp.components.empty import empty
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.components.term import term
from webapp.components.text import NOTHING, clock, duration, plural
from webapp.components.who import who_may

TICK_MS: Final = 3000
HEARD_SECONDS: Final = 10.0
DAYS: Final = (
    ("MON", "Monday"),
    ("TUE", "Tuesday"),
    ("WED", "Wednesday"),
    ("THU", "Thursday"),
    ("FRI", "Friday"),
    ("SAT", "Saturday"),
    ("SUN", "Sunday"),
)
MODES: Final = {"backfill": "Backfill", "streaming": "Streaming", "audit": "Audit"}
WHAT: Final = {
    "backfill": "Copies the crashes of the last days again.",
    "streaming": "Reads what was published lately; without days, from where it left off.",
    "audit": "Compares the copy with the portal and mends it; without days, all of it.",
}
# The inputs whose errors stand beside them, by the field that the API names.
FIELDS: Final = {
    "schedule_id": "schedules-name",
    "days": "schedules-days",
    "datasets": "schedules-datasets",
}
SIGNS: Final = "Begin with a letter or digit; only letters, digits and . _ - can be in it"
INPUTS: Final = tuple(FIELDS.values())
WHEN: Final = (
    ("schedules-when", "value"),
    ("schedules-time", "value"),
    ("schedules-weekdays", "value"),
    ("schedules-cron", "value"),
)


async def layout(ask: Ask, when: str = "daily", cron: str = "", mode: str = "backfill", **_: str) -> Component:
    """The list, and the form as the address has it."""
    session = await ask.get("/api/session")
    return html.Div(
        [
            dcc.Location(id="schedules-url", refresh=False),
            dcc.Interval(id="schedules-tick", interval=TICK_MS),
            dcc.Store(id="schedules-chosen"),
            dcc.Store(id="schedules-asked", data={}),
            heading("Scheduler", "Backfills, polls and audits that happen by themselves, on Chicago's clock."),
            *who_may(session, "Changing a schedule", "/schedules"),
            html.Div(id="schedules-problem", role="status"),
            html.Div(
                [
                    html.Section(
                        [html.H2("Schedules"), html.Div(id="schedules-list", className="schedules-list busy")],
                        className="card",
                    ),
                    html.Section(
                        [
                            html.H2("New schedule"),
                            _form(
                                when if when in ("daily", "weekly", "custom") else "daily",
                                cron or "0 3 * * *",
                                mode if mode in MODES else "backfill",
                            ),
                        ],
                        className="card",
                    ),
                ],
                className="schedules-columns",
            ),
            dmc.Modal(
                [
                    html.P(id="schedules-question"),
                    dmc.Group(
                        [
                            dmc.Button("Keep it", id="schedules-keep", variant="default"),
                            dmc.Button("Delete", id="schedules-delete", color="red"),
                        ],
                        justify="flex-end",
                        mt="md",
                    ),
                ],
                id="schedules-sure",
                title="Delete this schedule?",
                opened=False,
                centered=True,
            ),
        ],
        className="schedules",
    )


def _form(when: str, cron: str, mode: str) -> Component:
    return html.Div(
        [
            dmc.Select(
                id="schedules-mode",
                label="What",
                value=mode,
                data=[{"value": name, "label": words} for name, words in MODES.items()],
                allowDeselect=False,
            ),
            html.P(WHAT[mode], id="schedules-what", className="schedules-note"),
            dmc.NumberInput(id="schedules-days", label="Days", value=7, min=1, max=20_000, allowDecimal=False),
            dmc.CheckboxGroup(
                dmc.Group([dmc.Checkbox(label=name, value=name) for name in DATASETS]),
                id="schedules-datasets",
                label="Tables",
                value=list(DATASETS),
            ),
            html.Div(
                [
                    html.P("When", className="schedules-label", id="schedules-when-label"),
                    dmc.SegmentedControl(
                        id="schedules-when",
                        value=when,
                        data=[
                            {"value": "daily", "label": "Daily"},
                            {"value": "weekly", "label": "Weekly"},
                            {"value": "custom", "label": "Custom"},
                        ],
                        fullWidth=True,
                        **aria(label="How often"),
                    ),
                ]
            ),
            html.Div(
                dmc.CheckboxGroup(
                    dmc.Group([dmc.Checkbox(label=words, value=name) for name, words in DAYS]),
                    id="schedules-weekdays",
                    label="Days of the week",
                    value=["SUN"],
                ),
                id="schedules-weekly",
            ),
            html.Div(
                dmc.TimeInput(id="schedules-time", label="Time in Chicago", value="03:00", debounce=300),
                id="schedules-clock",
            ),
            html.Div(
                dmc.TextInput(
                    id="schedules-cron",
                    label="Cron expression",
                    description="minute hour day-of-month month day-of-week",
                    value=cron,
                    debounce=300,
                ),
                id="schedules-custom",
            ),
            html.Div(id="schedules-preview", className="schedules-preview", **aria(live="polite")),
            dmc.RadioGroup(
                dmc.Stack(
                    [
                        dmc.Radio("Skip times at which the service was down", value="skip"),
                        dmc.Radio("Run once to make up for them", value="once"),
                    ],
                    gap="xs",
                ),
                id="schedules-missed",
                label="Missed times",
                value="skip",
            ),
            dmc.TextInput(
                id="schedules-name",
                label="Name (optional)",
                description="Letters, digits, dots and dashes; its runs are named after it.",
                value="",
            ),
            dmc.Button("Create", id="schedules-create"),
            html.Div(id="schedules-created", role="status"),
        ],
        className="stack schedules-form",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Show the schedules, preview a new one's times, and change what is asked to be changed."""

    @app.callback(
        Output("schedules-list", "children"),
        Output("schedules-list", "className"),
        Input("schedules-tick", "n_intervals"),
        Input("schedules-asked", "data"),
    )
    async def listed(_: int | None, asked: dict[str, Any]) -> tuple[Any, str]:
        try:
            found = await ask.get("/api/schedule/list")
        except Refused as refused:
            return problem(refused), "schedules-list"
        return _list(as_asked(found["schedules"], asked, time.time())), "schedules-list"

    @app.callback(
        Output("schedules-preview", "children"),
        Output("schedules-cron", "error"),
        Output("schedules-time", "error"),
        Output("schedules-weekdays", "error"),
        Output("schedules-url", "search"),
        *(Output(f"schedules-{name}", "hidden") for name in ("weekly", "clock", "custom")),
        *(Input(*name) for name in WHEN),
        Input("schedules-mode", "value"),
    )
    async def preview(when: str, at: str, weekdays: list[str], cron: str, mode: str) -> list[Any]:
        hidden = [when != "weekly", when == "custom", when != "custom"]
        search = f"?when={when}&mode={mode}" + (f"&cron={quote(cron or '')}" if when == "custom" else "")
        rest = [search if ctx.triggered_id else no_update, *hidden]
        try:
            found = await ask.get("/api/schedule/preview", cron=expression(when, at, weekdays, cron))
        except _Unsaid as unsaid:
            return [_no_times(), *_errors(unsaid.where, str(unsaid)), *rest]
        except Refused as refused:
            message = refused.error.message.removeprefix("cron: ")
            return [_no_times(), *_errors("schedules-cron", message), *rest]
        return [_times(found), *_errors(None, None), *rest]

    @app.callback(
        Output("schedules-created", "children"),
        *(Output(name, "error") for name in INPUTS),
        Output("schedules-asked", "data"),
        Input("schedules-create", "n_clicks"),
        *(State(*name) for name in WHEN),
        State("schedules-mode", "value"),
        State("schedules-days", "value"),
        State("schedules-datasets", "value"),
        State("schedules-missed", "value"),
        State("schedules-name", "value"),
        prevent_initial_call=True,
        running=[(Output("schedules-create", "loading"), True, False)],
    )
    async def create(
        _: int | None,
        when: str,
        at: str,
        weekdays: list[str],
        cron: str,
        mode: str,
        days: Any,
        datasets: list[str],
        missed: str,
        name: str | None,
    ) -> list[Any]:
        try:
            body = {
                "cron": expression(when, at, weekdays, cron),
                "mode": mode,
                "datasets": [dataset for dataset in DATASETS if dataset in datasets],
                "missed": missed,
                **({"days": days} if days not in (None, "") else {}),
                **({"schedule_id": name.strip()} if name and name.strip() else {}),
            }
            created = await ask.post("/api/schedule/create", body)
        except _Unsaid:
            return [None, *[None] * len(INPUTS), no_update]  # the preview says so beside the input
        except Refused as refused:
            field = (refused.error.field or "").split(".")[0]
            where = FIELDS.get(field)
            message = refused.error.message.removeprefix(f"{refused.error.field}: ")
            message = SIGNS if "pattern" in message else message
            errors = [message if name == where else None for name in INPUTS]
            return [None if where or field == "cron" else problem(refused), *errors, no_update]
        said = done(
            html.Strong(f"{created['schedule_id']} is created. "), f"It runs next {_when(created['next_run'])}."
        )
        return [said, *[None] * len(INPUTS), _asked(created["schedule_id"], created)]

    @app.callback(
        Output("schedules-problem", "children"),
        Output("schedules-asked", "data", allow_duplicate=True),
        Input({"type": "schedules-toggle", "of": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    async def toggle(clicks: list[int | None]) -> tuple[Any, Any]:
        if not any(clicks):  # the list was drawn again
            return no_update, no_update
        name = ctx.triggered_id["of"]
        try:
            changed = await ask.put(f"/api/schedule/{quote(name)}/toggle")
        except Refused as refused:
            return problem(refused), no_update
        return None, _asked(name, changed)

    @app.callback(
        Output("schedules-sure", "opened"),
        Output("schedules-question", "children"),
        Output("schedules-chosen", "data"),
        Input({"type": "schedules-remove", "of": ALL}, "n_clicks"),
        Input("schedules-keep", "n_clicks"),
        prevent_initial_call=True,
    )
    async def ask_first(clicks: list[int | None], _: int | None) -> tuple[Any, Any, Any]:
        if ctx.triggered_id == "schedules-keep":
            return False, no_update, None
        if not any(clicks):
            return no_update, no_update, no_update
        name = ctx.triggered_id["of"]
        return True, [html.Strong(name), " runs no more. Its past runs, and what they copied, stay."], name

    @app.callback(
        Output("schedules-problem", "children", allow_duplicate=True),
        Output("schedules-asked", "data", allow_duplicate=True),
        Output("schedules-sure", "opened", allow_duplicate=True),
        Input("schedules-delete", "n_clicks"),
        State("schedules-chosen", "data"),
        prevent_initial_call=True,
        running=[(Output("schedules-delete", "loading"), True, False)],
    )
    async def delete(_: int | None, name: str | None) -> tuple[Any, Any, bool]:
        if not name:
            return no_update, no_update, False
        try:
            await ask.delete(f"/api/schedule/{quote(name)}")
        except Refused as refused:
            return problem(refused), no_update, False
        return done(html.Strong(f"{name} is deleted.")), _asked(name, None), False

    @app.callback(
        Output("schedules-what", "children"),
        Output("schedules-days", "label"),
        Input("schedules-mode", "value"),
    )
    async def what(mode: str) -> tuple[str, str]:
        return WHAT[mode], "Days" if mode == "backfill" else "Days (optional)"


def _asked(name: str, schedule: dict[str, Any] | None) -> Patch:
    """Remember what a schedule will be: None, gone. Gold hears of it a second or so later."""
    asked = Patch()
    asked[name] = {"schedule": schedule, "until": time.time() + HEARD_SECONDS}
    return asked


def as_asked(schedules: list[dict[str, Any]], asked: dict[str, Any], now: float) -> list[dict[str, Any]]:
    """`schedules` with what was asked for a moment ago, so that nothing jumps back until Gold has heard of it."""
    fresh = {name: change["schedule"] for name, change in asked.items() if change["until"] > now}
    kept = [state for state in schedules if state["schedule_id"] not in fresh]
    return [*kept, *(state for state in fresh.values() if state)]


class _Unsaid(Exception):
    """The form does not say when; `where` is the input that is to be mended."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


def expression(when: str, at: str | None, weekdays: list[str], cron: str | None) -> str:
    """The cron expression that the form stands for: `30 3 * * MON,FRI`."""
    if when == "custom":
        if not (cron or "").strip():
            raise _Unsaid("schedules-cron", "Write five fields, such as 0 3 * * * for 3:00 every day")
        return cron or ""
    try:
        hour, minute = (int(part) for part in (at or "").split(":")[:2])
    except ValueError:
        raise _Unsaid("schedules-time", "Choose a time") from None
    if when == "daily":
        return f"{minute} {hour} * * *"
    chosen = [name for name, _ in DAYS if name in weekdays]
    if not chosen:
        raise _Unsaid("schedules-weekdays", "Choose at least one day")
    return f"{minute} {hour} * * {','.join(chosen)}"


def _errors(where: str | None, message: str | None) -> list[str | None]:
    return [message if name == where else None for name in ("schedules-cron", "schedules-time", "schedules-weekdays")]


def _times(found: dict[str, Any]) -> list[Component]:
    return [
        html.P([html.Strong(found["says"]), " ", html.Code(found["cron"])]),
        html.Ol([html.Li(_when(at)) for at in found["next_runs"]], **aria(label="The next three runs")),
    ]


def _no_times() -> list[Component]:
    return [html.P("The next three runs are shown here.", className="schedules-note")]


def _list(schedules: list[dict[str, Any]]) -> Component:
    if not schedules:
        return empty("Nothing happens by itself yet", "Create a schedule with the form beside this.", "clock")
    ordered = sorted(schedules, key=lambda state: state["schedule_id"])
    return html.Ul([_schedule(state) for state in ordered], className="schedules-items")


def _schedule(state: dict[str, Any]) -> Component:
    name, paused = state["schedule_id"], state["paused"]
    return html.Li(
        [
            html.Div(
                [
                    html.H3(name),
                    html.Span(
                        "paused" if paused else "active", className=f"state state-{'paused' if paused else 'on'}"
                    ),
                ],
                className="schedules-head",
            ),
            html.P([f"{_what(state)}. {state['says']}, ", term(state["cron"], "The same as a cron expression")]),
            html.Dl(
                [
                    html.Div([html.Dt("Next run"), html.Dd(_next(state))]),
                    html.Div([html.Dt("Last run"), html.Dd(_last(state))]),
                ],
                className="schedules-runs",
            ),
            html.Div(
                [
                    dmc.Button(
                        "Resume" if paused else "Pause",
                        id={"type": "schedules-toggle", "of": name},
                        variant="default",
                        **aria(label=f"{'Resume' if paused else 'Pause'} {name}"),
                    ),
                    dmc.Button(
                        "Delete",
                        id={"type": "schedules-remove", "of": name},
                        variant="subtle",
                        color="red",
                        **aria(label=f"Delete {name}"),
                    ),
                ],
                className="schedules-buttons",
            ),
        ]
    )


def _what(state: dict[str, Any]) -> str:
    days = f" of the last {plural(state['days'], 'day')}" if state["days"] else ""
    tables = "" if len(state["datasets"]) == len(DATASETS) else f" ({', '.join(state['datasets'])})"
    return f"{MODES[state['mode']]}{days}{tables}"


def _next(state: dict[str, Any]) -> str:
    if state["paused"]:
        return "when resumed"
    late = datetime.fromisoformat(state["next_run"]) <= datetime.now(UTC)
    return "now, once a worker is there" if late else _when(state["next_run"])


def _last(state: dict[str, Any]) -> Any:
    if not state["last_run"]:
        return "not yet"
    at = datetime.fromisoformat(state["last_run"])
    # Polls are runs by table, under names of their own.
    if state["mode"] == "streaming" or at.fold:
        return _when(state["last_run"])
    return dcc.Link(_when(state["last_run"]), href=f"/runs/schedule-{state['schedule_id']}-{at:%Y%m%dT%H%M}")


def _when(text: str | None) -> str:
    """A time of the API's, which is Chicago's: `Sun, Nov 29, 3:00 AM (in 5 d)`."""
    if text is None:
        return NOTHING
    at = datetime.fromisoformat(text)
    away = (at - datetime.now(UTC)).total_seconds()
    length = plural(round(abs(away) / 86_400), "day") if abs(away) >= 86_400 else duration(abs(away))
    relative = f"in {length}" if away > 0 else f"{length} ago"
    return f"{at:%a, %b} {at.day}, {clock(at)} ({relative})"
