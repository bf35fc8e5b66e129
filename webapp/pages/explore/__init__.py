"""Explore: figures of crashes that all have the same filters, and filter each other."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import ALL, MATCH, Dash, Input, Output, State, ctx, dcc, html, no_update, set_props
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.heading import heading
from webapp.components.plot import Plot
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import NOTHING
from webapp.explore.choice import Choice, understood
from webapp.explore.figures import FIGURES
from webapp.pages.explore.cards import CARDS, VIEWS, Card
from webapp.pages.explore.controls import FIELDS, LISTED, changed, chips, fields, in_fields, option, told, without
from webapp.pages.explore.marks import named, toggled

FIRST_VIEW: Final = "When"
# Rows of a table twin; the CSV has all.
SHOWN: Final = 100
_LISTS: Final = frozenset(
    name for name, field in Choice.model_fields.items() if str(field.annotation).startswith("tuple")
)
_NOTHING: Final = Plot().axis("x", visible=False).axis("y", visible=False)
_RATE: Final = (
    "Crashes with an injury, of those whose outcome is known. The interval holds the true rate with 95 % (Wilson); it "
    "is wide where crashes are few."
)
_UNKNOWN: Final = "The newest crashes have no people yet, so nobody can say who was hurt. They are in no rate."


def layout(ask: Ask, view: str | list[str] = FIRST_VIEW, **query: str | list[str]) -> Component:
    """The frame with the choices of the address; what it shows comes by callback."""
    choice = _read(query)
    view = view if isinstance(view, str) and view in VIEWS else FIRST_VIEW
    return html.Div(
        [
            dcc.Location(id="explore-url", refresh=False),
            dcc.Store(id="explore-choice", data=choice.query()),
            heading(
                "Explore", "Crashes by time, conditions, cause and outcome. Click a mark: the other figures follow."
            ),
            fields(choice),
            html.Div(
                chips(choice), id="explore-chips", className="explore-chips", role="group", **aria(label="Filters")
            ),
            html.Div(NOTHING, id="explore-totals", className="explore-totals", role="status", **aria(live="polite")),
            dmc.SegmentedControl(
                id="explore-view",
                data=list(VIEWS),
                value=view,
                size="md",
                className="explore-views",
                **aria(label="View"),
            ),
            dcc.Store(id="explore-shown"),
            html.Div(_places(view), id="explore-cards", className="explore-cards"),
        ],
        className="explore",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Keep fields, chips, address and figures the same choice."""

    @app.callback(
        Output("explore-choice", "data"),
        Output("explore-chips", "children"),
        Output("explore-url", "search"),
        *(Output(field, "value") for field in FIELDS),
        *(Input(field, "value") for field in FIELDS),
        Input("explore-view", "value"),
        Input({"type": "explore-plot", "card": ALL}, "clickData"),
        Input({"type": "explore-drop", "names": ALL, "value": ALL}, "n_clicks"),
        Input("explore-clear", "n_clicks"),
        Input("explore-before", "n_clicks"),
        Input("explore-year", "n_clicks"),
        State("explore-choice", "data"),
        State("explore-url", "search"),
        prevent_initial_call=True,
    )
    async def choose(*given: Any) -> list[Any]:
        *_, query, at = given
        before, view = understood(query), given[len(FIELDS)]
        choice = await _chosen(ask, before, ctx.triggered_id, ctx.triggered[0]["value"])
        if choice == before:
            address = _search(before, view)
            return [no_update, no_update, no_update if address == at else address, *[no_update] * len(FIELDS)]
        # What stays is not sent: each field that is takes the browser a while.
        fields = [
            no_update if held == now else now for held, now in zip(given[: len(FIELDS)], in_fields(choice), strict=True)
        ]
        return [choice.query(), chips(choice), _search(choice, view), *fields]

    @app.callback(
        Output("explore-cards", "children"),
        Output("explore-shown", "data"),
        Input("explore-view", "value"),
        # An input, so that a choice made meanwhile is not missed.
        Input("explore-choice", "data"),
        State("explore-shown", "data"),
    )
    async def show(view: str, query: dict[str, Any], shown: str | None) -> Any:
        if view == shown:
            return no_update, no_update
        choice = understood(query)
        cards = VIEWS.get(view, VIEWS[FIRST_VIEW])
        drawn = await asyncio.gather(*(_drawn(ask, card, choice) for card in cards.values()))
        return [_card(name, card, each) for (name, card), each in zip(cards.items(), drawn, strict=True)], view

    @app.callback(Output("explore-totals", "children"), Input("explore-choice", "data"))
    async def sum_up(query: dict[str, Any]) -> Any:
        choice = understood(query)
        try:
            rows = await _rows(ask, "totals", choice)
            return _totals(rows) if rows else await _loosen(ask, choice)
        except Refused as refused:
            return problem(refused)

    @app.callback(
        *(Output(field, "data") for field in LISTED),
        Input("explore-url", "id"),
        State("explore-choice", "data"),
    )
    async def list_values(_: str, query: dict[str, Any]) -> list[Any]:
        try:
            found = await asyncio.gather(*(_rows(ask, name, Choice()) for name, _ in LISTED.values()))
        except Refused:
            return [no_update] * len(LISTED)  # the figures say what is wrong
        return [
            [
                option(key, value)
                for value in dict.fromkeys([*(row[key] for row in rows), *understood(query).query().get(key, ())])
            ]
            for rows, (_, key) in zip(found, LISTED.values(), strict=True)
        ]

    @app.callback(
        Output({"type": "explore-plot", "card": MATCH}, "figure"),
        Output({"type": "explore-says", "card": MATCH}, "children"),
        Output({"type": "explore-table", "card": MATCH}, "children"),
        Output({"type": "explore-csv", "card": MATCH}, "href"),
        Input("explore-choice", "data"),
        State({"type": "explore-plot", "card": MATCH}, "id"),
        State({"type": "explore-open", "card": MATCH}, "n_clicks"),
        prevent_initial_call=True,  # a card comes with its plot
    )
    async def draw(query: dict[str, Any], place: dict[str, str], clicks: int | None) -> tuple[Any, Any, Any, str]:
        card, choice = CARDS[place["card"]], understood(query)
        drawn = await _drawn(ask, card, choice)
        return drawn.plot, drawn.says, _twin(card, drawn.rows) if (clicks or 0) % 2 else None, drawn.csv

    @app.callback(
        Output({"type": "explore-table", "card": MATCH}, "children", allow_duplicate=True),
        Input({"type": "explore-open", "card": MATCH}, "n_clicks"),
        State({"type": "explore-open", "card": MATCH}, "id"),
        State("explore-choice", "data"),
        prevent_initial_call=True,
    )
    async def open_table(clicks: int | None, place: dict[str, str], query: dict[str, Any]) -> Any:
        if not (clicks or 0) % 2:
            return no_update
        card, choice = CARDS[place["card"]], understood(query)
        try:
            return _twin(card, await _rows(ask, card.figure, _asked(card, choice)))
        except Refused as refused:
            return problem(refused)


async def _chosen(ask: Ask, choice: Choice, by: Any, value: Any) -> Choice:
    """The choice after what the person at the page has just done."""
    if isinstance(by, dict):
        if value is None:  # a new plot or chip, which nobody has touched
            return choice
        if by["type"] == "explore-drop":
            return without(choice, by["names"], by["value"])
        set_props(by, {"clickData": None})  # or else the same mark could not be clicked twice
        return toggled(choice, value["points"][0].get("customdata", ""))
    if by == "explore-clear":
        return Choice() if value else choice
    if by in ("explore-before", "explore-year"):
        return await _compared(ask, choice, by) if value else choice
    return changed(choice, by, value) if by in FIELDS else choice


async def _compared(ask: Ask, choice: Choice, by: str) -> Choice:
    """With a second period as long as the first one, which is the newest four weeks if none is chosen."""
    first, last = choice.first, choice.last
    if not first or not last:
        try:
            through = (await ask.get("/api/gold/status"))["data_through"]
        except Refused:
            return choice
        if through is None:
            return choice
        last = last or date.fromisoformat(through[:10])
        first = first or last - timedelta(days=27)
    # 52 weeks: so that weekdays meet the same weekdays.
    back = timedelta(days=364) if by == "explore-year" else timedelta(days=(last - first).days + 1)
    span = {"from": first, "to": last, "compare_from": first - back, "compare_to": last - back}
    return understood(choice.query() | span)


def _asked(card: Card, choice: Choice) -> Choice:
    """What a card is drawn of: not of its own selection. Days are one if they are a single day, else the view."""
    days = {"from", "to"} if choice.first != choice.last else set()
    return choice.without(*(name for name in card.sets if name not in days))


async def _rows(ask: Ask, name: str, choice: Choice) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await ask.get(f"/api/explore/{name}", **choice.query()))["rows"]
    return rows


async def _loosen(ask: Ask, choice: Choice) -> Component:
    """What to take away so that there is something to see."""
    filters = list(dict.fromkeys((names, words.split(":")[0]) for words, names, _ in told(choice)))
    if not filters:
        return empty("No crashes yet", "The figures appear with the first rows in Gold.", "chart")
    found = await asyncio.gather(*(_rows(ask, "totals", choice.without(*names.split())) for names, _ in filters))
    hints = [
        f"without “{words}” there are {rows[0]['crashes']:,}"
        for (_, words), rows in zip(filters, found, strict=True)
        if rows
    ]
    what_to_do = (
        f"Take a filter away: {'; '.join(hints)}." if hints else "Take several filters away, or clear them all."
    )
    return empty("No crash meets all of these filters", what_to_do, "chart")


def _totals(rows: list[dict[str, Any]]) -> Component:
    lines = []
    for row in rows:
        rate = f"{row['rate']:.1%} ({row['low']:.1%} to {row['high']:.1%})" if row["rate"] is not None else NOTHING
        parts: list[Any] = [
            *([html.Strong(f"{row['period'].capitalize()}: ")] if len(rows) > 1 else []),
            html.Strong(f"{row['crashes']:,} crashes"),
            f" · {row['per_day']:,.1f} a day · ",
            term("injury rate", _RATE),
            f" {rate} of {row['known']:,} · {row['severe']:,} severe",
        ]
        if row["unknown"]:
            parts += [f" · {row['unknown']:,} ", term("not known yet", _UNKNOWN)]
        lines.append(html.P(parts))
    if len(rows) > 1:
        mine, other = rows
        lines.append(
            html.P(f"Crashes a day: {mine['per_day'] / other['per_day'] - 1:+.1%} against the compared period.")
        )
    return html.Div(lines)


@dataclass(frozen=True)
class Drawn:
    """A card's plot, what is to be seen in it, and the rows that it is of."""

    plot: Plot
    says: Any
    csv: str
    rows: list[dict[str, Any]] = field(default_factory=list)


async def _drawn(ask: Ask, card: Card, choice: Choice) -> Drawn:
    csv = f"/api/explore/{card.figure}.csv?{_encoded(_asked(card, choice))}"
    try:
        rows = await _rows(ask, card.figure, _asked(card, choice))
    except Refused as refused:
        return Drawn(_NOTHING, problem(refused), csv)
    if not rows:
        return Drawn(_NOTHING, "No crash meets these filters.", csv)
    plot, says = await asyncio.to_thread(card.draw, rows, choice)
    return Drawn(plot, says, csv, rows)


def _places(view: str) -> list[Component]:
    """Cards without plots, as high as those that take their place."""
    return [
        html.Section(
            [
                html.Div([html.H2(card.title)], className="explore-head"),
                html.P(NOTHING, className="explore-says"),
                html.Div(style={"height": "320px"}),
                html.Div(NOTHING, className="explore-foot"),
            ],
            className="card explore-card explore-wide" if card.wide else "card explore-card",
        )
        for card in VIEWS[view].values()
    ]


def _card(name: str, card: Card, drawn: Drawn) -> Component:
    title = [html.H2(card.title)]
    foot: list[Any] = [
        html.Details(
            [
                html.Summary("Show the figures", id={"type": "explore-open", "card": name}),
                html.Div(id={"type": "explore-table", "card": name}),
            ]
        ),
        html.A(
            "CSV",
            id={"type": "explore-csv", "card": name},
            href=drawn.csv,
            className="explore-csv",
        ),
    ]
    if name == "places":
        foot.append(dcc.Link("To the live map", href="/map", className="explore-csv"))
    label = f"{card.title}. {FIGURES[card.figure].says} The same figures stand in the table below."
    return html.Section(
        [
            html.Div(title, className="explore-head"),
            html.P(drawn.says, id={"type": "explore-says", "card": name}, className="explore-says"),
            html.Div(
                dcc.Graph(
                    id={"type": "explore-plot", "card": name},
                    figure=drawn.plot,
                    config={"displayModeBar": False, "responsive": card.width is None},
                    style={"height": "320px", "width": f"{card.width}px" if card.width else None},
                ),
                role="img",
                className="plot",
                **aria(label=label),
            ),
            html.Div(foot, className="explore-foot"),
        ],
        className="card explore-card explore-wide" if card.wide else "card explore-card",
    )


def _twin(card: Card, rows: list[dict[str, Any]]) -> Component:
    described = FIGURES[card.figure].described
    shown = [
        {name: named(name, row[name]) if name in FIGURES[card.figure].keys else row[name] for name in row}
        for row in rows
    ]
    columns = {name: name.replace("_", " ") for name in described if name in rows[0]} if rows else {}
    more = [html.P(f"The first {SHOWN} of {len(rows):,} rows; the CSV has all.", className="explore-says")]
    return html.Div([table(columns, shown[:SHOWN], label=card.title), *(more if len(rows) > SHOWN else [])])


def _read(query: Mapping[str, str | list[str]]) -> Choice:
    """The choice that an address' query says, as far as it makes sense."""
    names = {field.alias or name: name for name, field in Choice.model_fields.items()}
    return understood(
        {
            name: [value] if names[name] in _LISTS and isinstance(value, str) else value
            for name, value in query.items()
            if name in names
        }
    )


def _search(choice: Choice, view: str) -> str:
    told_view = {} if view == FIRST_VIEW else {"view": view}
    return f"?{urlencode(told_view | choice.query(), doseq=True)}"


def _encoded(choice: Choice) -> str:
    return urlencode(choice.query(), doseq=True)
