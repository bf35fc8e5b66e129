"""Deleting: what it would mean, and the words that have to be typed out before."""

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.done import done
from webapp.components.problem import problem
from webapp.components.text import number, plural, size


def button(title: str, *, id: str) -> Component:
    """What opens the dialog."""
    opener: Component = dmc.Button(title, id=id, color="red", variant="outline", h=40)
    return opener


def layout(name: str, bucket: str, prefix: str = "") -> Component:
    """The dialog for deleting `name`, closed. The bucket `gold` is the tables of Gold."""
    return html.Div(
        [
            dcc.Store(id="data-remove-what", data={"name": name, "bucket": bucket, "prefix": prefix}),
            dmc.Modal(
                [
                    html.Div(id="data-remove-means", role="status"),
                    html.Div(
                        [
                            dmc.TextInput(
                                id="data-remove-words",
                                label=["To go on, type ", html.Code(name)],
                                autoComplete="off",
                                **{"data-autofocus": True},
                            ),
                            dmc.Group(
                                [
                                    dmc.Button("Keep it", id="data-remove-keep", variant="default", h=40),
                                    dmc.Button("Delete", id="data-remove-go", color="red", disabled=True, h=40),
                                ],
                                justify="flex-end",
                                mt="md",
                            ),
                        ],
                        id="data-remove-form",
                        hidden=True,
                    ),
                ],
                id="data-remove",
                title=f"Delete {name}?",
                opened=False,
                centered=True,
                closeButtonProps={"aria-label": "Close"},
                size="lg",
            ),
        ]
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Say what would go, then delete it."""

    @app.callback(
        Output("data-remove", "opened"),
        Output("data-remove-means", "children"),
        Output("data-remove-form", "hidden"),
        Output("data-remove-words", "value"),
        Input("data-remove-open", "n_clicks"),
        State("data-remove-what", "data"),
        running=[(Output("data-remove-open", "loading"), True, False)],
        prevent_initial_call=True,
    )
    async def measure(clicks: int | None, what: dict[str, str]) -> Any:
        if not clicks:
            return no_update
        try:
            return True, _means(await _delete(ask, what, dry_run="true")), False, ""
        except Refused as refused:
            return True, problem(refused), True, ""

    app.clientside_callback(  # type: ignore[no-untyped-call]
        "(words, what) => (words || '').trim() !== what.name",
        Output("data-remove-go", "disabled"),
        Input("data-remove-words", "value"),
        State("data-remove-what", "data"),
    )

    @app.callback(
        Output("data-remove", "opened", allow_duplicate=True),
        Output("data-removed", "children"),
        Output("data-remove-means", "children", allow_duplicate=True),
        Input("data-remove-go", "n_clicks"),
        State("data-remove-words", "value"),
        State("data-remove-what", "data"),
        running=[(Output("data-remove-go", "loading"), True, False)],
        prevent_initial_call=True,
    )
    async def remove(clicks: int | None, words: str, what: dict[str, str]) -> Any:
        if not clicks:
            return no_update
        try:
            return False, _gone(await _delete(ask, what, confirm=words.strip())), no_update
        except Refused as refused:
            return True, no_update, problem(refused)

    app.clientside_callback(  # type: ignore[no-untyped-call]
        "() => false",
        Output("data-remove", "opened", allow_duplicate=True),
        Input("data-remove-keep", "n_clicks"),
        prevent_initial_call=True,
    )


async def _delete(ask: Ask, what: dict[str, str], **query: str) -> dict[str, Any]:
    if what["bucket"] == "gold":
        path, named = "/api/gold/wipe", {}
    elif what["prefix"]:
        path, named = "/api/minio/folder", {"bucket": what["bucket"], "prefix": what["prefix"]}
    else:
        path, named = "/api/minio/bucket", {"bucket": what["bucket"]}
    answer: dict[str, Any] = await ask.delete(path, **named, **query)
    return answer


def _means(answer: dict[str, Any]) -> Component:
    return html.Dl(
        [
            *(html.Dt("What goes"), html.Dd(_how_much(answer))),
            *(html.Dt("What is lost"), html.Dd(answer["lost"])),
            *(html.Dt("What heals it"), html.Dd(answer["heals"])),
        ],
        className="data-means",
    )


def _gone(answer: dict[str, Any]) -> Component:
    return done(html.Strong(f"Deleted from {answer['name']}: {_how_much(answer)}. "), answer["heals"])


def _how_much(answer: dict[str, Any]) -> str:
    if "rows" in answer:
        return ", ".join(f"{number(rows)} {table}" for table, rows in answer["rows"].items())
    return f"{plural(answer['objects'], 'object')}, {size(answer['size'])}"
