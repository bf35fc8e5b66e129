"""One crash by form: how probable an injury is, why, and what if something had been otherwise."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.explanation import category_in_words, explanation
from webapp.components.probability import probability
from webapp.components.problem import problem
from webapp.components.table import table
from webapp.components.term import term
from webapp.components.text import NOTHING
from webapp.pages.predict import crash
from webapp.pages.predict.crash import Flat
from webapp.pages.predict.form import form, label_of, labels_of, merged

TARGETS: Final = {"injury": "Somebody is hurt", "injury_severe": "Somebody is badly hurt or killed"}
_SHORT: Final = {"injury": "an injury", "injury_severe": "a severe one"}
_EXPLAINED: Final = 50
VALUES: Final = {"type": "predict-value", "table": ALL, "row": ALL, "name": ALL}
_ADD: Final = {"type": "predict-add", "table": ALL}
_FOLD: Final = {"type": "predict-fold", "fold": ALL}
_REMOVE: Final = {"type": "predict-remove", "table": ALL, "row": ALL}
# Features that are made of a column of another name.
_COLUMN_OF: Final = {"district": "beat_of_occurrence", "street_kind": "street_name"}


def layout(why: str, version: str) -> Component:
    """The frame: what fills in the form, the form, and beside it the answer."""
    return html.Div(
        [
            html.Div(
                [
                    html.Div(
                        [
                            dmc.Button("Fill in the newest crash", id="predict-newest", variant="default"),
                            dmc.TextInput(
                                id="predict-crash-id",
                                placeholder="crash id",
                                className="predict-crash-id",
                                **aria(label="Id of a crash in Gold"),
                            ),
                            dmc.Button("Fill in", id="predict-fill", variant="default"),
                            dmc.Button("Start anew", id="predict-clear", variant="subtle"),
                        ],
                        className="predict-tools",
                    ),
                    html.Div(id="predict-filled", role="status"),
                    html.Div([dmc.Skeleton(h=220) for _ in range(4)], id="predict-form", className="predict-form"),
                ],
            ),
            html.Div(
                [
                    html.Div(
                        [
                            dmc.Select(
                                id="predict-version",
                                label="Answered by",
                                data=_versions([], version),
                                value=version,
                                allowDeselect=False,
                                searchable=True,
                                w="100%",
                            ),
                            html.Div(dmc.Skeleton(h=300), id="predict-answer", **aria(live="polite")),
                            html.Div(
                                [
                                    dmc.Button("Keep this answer to compare", id="predict-keep", variant="default"),
                                    dmc.Button("Forget the kept one", id="predict-forget", variant="subtle"),
                                ],
                                className="predict-tools",
                            ),
                        ],
                        className="card predict-result",
                    ),
                    html.Div(
                        [
                            html.H2("Why"),
                            dmc.SegmentedControl(
                                id="predict-why",
                                data=[{"value": value, "label": f"Why {words}"} for value, words in _SHORT.items()],
                                value=why,
                                fullWidth=True,
                            ),
                            html.Div(dmc.Skeleton(h=260), id="predict-explanation"),
                        ],
                        className="card predict-why",
                    ),
                    html.Div(id="predict-findings"),
                ],
                className="predict-side",
            ),
        ],
        className="predict-one",
    )


def callbacks(app: Dash, ask: Ask) -> None:
    """Draw the form, answer whenever a field changes, keep an answer to compare."""

    @app.callback(
        Output("predict-form", "children"),
        Output("predict-filled", "children"),
        Output("predict-form-of", "data"),
        Output("predict-version", "data"),
        Output("predict-drawn", "data"),
        Output("predict-unfolded", "data"),
        Input("predict-newest", "n_clicks"),
        Input("predict-fill", "n_clicks"),
        Input("predict-crash-id", "n_submit"),
        Input("predict-clear", "n_clicks"),
        Input(_ADD, "n_clicks"),
        Input(_REMOVE, "n_clicks"),
        Input(_FOLD, "n_clicks"),
        Input("predict-version", "value"),
        State("predict-crash-id", "value"),
        State("predict-drawn", "data"),
        State("predict-unfolded", "data"),
        State(VALUES, "value"),
    )
    async def draw(*given: Any) -> tuple[Any, ...]:
        version, crash_id, drawn, unfolded = given[7:11]
        what = ctx.triggered_id
        # A button that has just been drawn was not clicked.
        if isinstance(what, dict) and not ctx.triggered[0]["value"]:
            return (no_update,) * 6
        controls = ctx.states_list[3]
        flat, note = crash.of_controls(controls, drawn) if controls else drawn or crash.usual(), None
        try:
            versions = (await ask.get("/api/model/versions", limit=1000))["versions"]
            asks = [{"version": version}] if version else await _serving(ask, versions)
            forms = await asyncio.gather(*(ask.get("/api/model/form", **each) for each in asks))
            fields = merged(*(each["fields"] for each in forms))
            if what in ("predict-newest", "predict-fill", "predict-crash-id"):
                flat, note = await _of_gold(ask, version, crash_id if what != "predict-newest" else None)
            else:
                flat, unfolded = _changed(what, flat, unfolded)
        except Refused as refused:
            if controls:
                return no_update, problem(refused), *(no_update,) * 4
            return _unable(refused), None, None, _versions([], version), drawn, unfolded
        drawn_of = {"asks": asks, "labels": labels_of(fields)}
        return form(fields, flat, unfolded), note, drawn_of, _versions(versions, version), flat, unfolded

    @app.callback(
        Output("predict-answer", "children"),
        Output("predict-explanation", "children"),
        Output("predict-findings", "children"),
        Output(VALUES, "error"),
        Output("predict-forget", "disabled"),
        Input(VALUES, "value"),
        Input("predict-why", "value"),
        Input("predict-kept", "data"),
        State("predict-form-of", "data"),
        State("predict-drawn", "data"),
    )
    async def answer(
        values: list[Any],
        why: str,
        kept: Flat | None,
        of: dict[str, Any],
        drawn: Flat,
    ) -> tuple[Any, Any, Any, list[Any], bool]:
        if not values:
            return no_update, no_update, no_update, [], True
        controls = ctx.inputs_list[0]
        now, labels = crash.of_controls(controls, drawn), of["labels"]
        try:
            answers = await _predictions(ask, now, kept, of["asks"])
        except Refused as refused:
            at_fault = {_key(refused.error.field or ""): f"{refused.error.message}. {refused.error.hint or ''}"}
            return problem(refused), no_update, None, _errors(controls, at_fault), kept is None
        return (
            _answer(answers, now, kept, labels),
            _explained(answers, why),
            _findings(answers, labels),
            _errors(controls, _odd(answers)),
            kept is None,
        )

    @app.callback(
        Output("predict-kept", "data"),
        Input("predict-keep", "n_clicks"),
        Input("predict-forget", "n_clicks"),
        State(VALUES, "value"),
        State("predict-drawn", "data"),
        prevent_initial_call=True,
    )
    async def keep(_: int | None, __: int | None, ___: list[Any], drawn: Flat) -> Flat | None:
        return crash.of_controls(ctx.states_list[0], drawn) if ctx.triggered_id == "predict-keep" else None


def _changed(what: Any, flat: Flat, unfolded: list[str]) -> tuple[Flat, list[str]]:
    """The crash, and what of the form stands open, after a click."""
    if what == "predict-clear":
        return crash.usual(), []
    if not isinstance(what, dict):
        return flat, unfolded
    if what["type"] == "predict-fold":
        fold = what["fold"]
        return flat, [each for each in unfolded if each != fold] if fold in unfolded else [*unfolded, fold]
    if what["type"] == "predict-remove":
        # Rows move up: which of them stand open is not worth knowing.
        folded = [each for each in unfolded if not each.startswith(what["table"])]
        return crash.without_row(flat, what["table"], what["row"]), folded
    return flat | {what["table"]: str(crash.rows_of(flat, what["table"]) + 1)}, unfolded


async def _serving(ask: Ask, versions: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The targets of which a model serves, as queries. Raises `Refused` where none does."""
    serving = {version["target"] for version in versions if version["serving"]}
    if not serving:
        await ask.get("/api/model/form")  # says what is missing
    return [{"target": target} for target in TARGETS if target in serving]


def _versions(rows: Sequence[Mapping[str, Any]], chosen: str) -> list[dict[str, str]]:
    found = [row["version"] for row in rows]
    if chosen and chosen not in found:
        found.insert(0, chosen)
    return [{"value": "", "label": "The models that serve"}, *({"value": name, "label": name} for name in found)]


async def _of_gold(ask: Ask, version: str, crash_id: str | None) -> tuple[Flat, Component]:
    example = await ask.get(
        "/api/model/example", crash_record_id=(crash_id or "").strip() or None, version=version or None
    )
    hurt, severe = example["outcomes"]["injury"], example["outcomes"]["injury_severe"]
    came = (
        "what came of it is not known yet"
        if hurt is None
        else "somebody was badly hurt or killed"
        if severe
        else "somebody was hurt"
        if hurt
        else "nobody was hurt"
    )
    identity = example["crash_record_id"]
    words: list[Any] = [
        "Filled in with ",
        dcc.Link(f"crash {identity[:12]}…", href=f"/crash/{identity}"),
        f": in fact {came}.",
    ]
    return crash.of_gold(example["crash"]), html.P(words, className="predict-note")


async def _predictions(ask: Ask, now: Flat, kept: Flat | None, asks: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What each model says, of the crash in the form and of the kept one; `asks` say which models."""
    body = {"rows": [crash.to_send(each) for each in (now, kept) if each is not None]}
    return list(
        await asyncio.gather(*(ask.post("/api/model/predict", body, explain=_EXPLAINED, **query) for query in asks))
    )


def _answer(answers: list[dict[str, Any]], now: Flat, kept: Flat | None, labels: Mapping[str, str]) -> list[Component]:
    shown: list[Component] = []
    for each in answers:
        model, rows = each["model"], each["predictions"]
        by = html.P(
            [
                dcc.Link("The model", href=f"/models/{model['version']}", title=model["version"]),
                f" · {model['algorithm']} · ",
                term(model["tier"], "What the model knows: pre-crash is place, time and weather; at-scene what an "
                     "officer sees; report what only the finished report says."),
            ],
            className="predict-model",
        )  # fmt: skip
        before = rows[1]["probability"] if len(rows) > 1 else None
        shown.append(
            probability(
                TARGETS[model["target"]],
                rows[0]["probability"],
                model["threshold"],
                kept=before,
                below=by,
                id=f"predict-probability-{model['target']}",
            )
        )
    if kept is not None:
        shown.append(_differences(now, kept, labels))
    return shown


def _differences(now: Flat, kept: Flat, labels: Mapping[str, str]) -> Component:
    rows = [
        {"what": label_of(key, labels), "kept": _said(kept.get(key)), "now": _said(now.get(key))}
        for key in crash.differing(now, kept)
    ]
    if not rows:
        words = "The kept answer is of this very crash. Change a field, and both are compared here."
        return html.P(words, className="predict-hint")
    columns = {"what": "Changed", "kept": "Kept", "now": "Now"}
    return html.Div(table(columns, rows, label="How the crash differs from the kept one"), className="predict-diff")


def _said(value: str | None) -> str:
    if value is None:
        return "not known"
    return "yes" if value == "true" else category_in_words(value) if value.isupper() else value


def _explained(answers: list[dict[str, Any]], why: str) -> Any:
    found = next((each for each in answers if each["model"]["target"] == why), None)
    if found is None:
        return empty("No model answers that", "Choose the other one, or another model.", "predict")
    return explanation(found["predictions"][0]["contributions"])


def _findings(answers: list[dict[str, Any]], labels: Mapping[str, str]) -> Any:
    missing = list(dict.fromkeys(name for each in answers for name in each["findings"]["missing_columns"]))
    words = [labels.get(name, name).lower() for name in missing if ".area_" not in name]
    words = [f"all of the {name}" if name in crash.CHILDREN else name for name in words]
    if not words:
        return None
    return html.Details(
        [
            html.Summary(f"{len(words)} things are not known to the model"),
            html.P(", ".join(words), className="predict-hint"),
        ],
        className="card predict-missing",
    )


def _odd(answers: list[dict[str, Any]]) -> dict[str, str]:
    """What is to be said beside fields, by their key."""
    found = {}
    for each in answers:
        for feature, values in each["findings"]["unknown_categories"].items():
            column = _COLUMN_OF.get(feature, feature)
            found[column] = f"New to the model ({', '.join(values)}): it counts as rare ones do"
        for odd in each["findings"]["impossible_values"]:
            found[_key(odd["field"])] = f"{odd['value']} cannot be: it counts as not known"
    return found


def _key(field: str) -> str:
    """The name of what is at fault, of the crash that is in the form."""
    return field.removeprefix("rows.0.")


def _errors(controls: list[dict[str, Any]], at_fault: Mapping[str, str]) -> list[Any]:
    keys = (
        each["id"]["name"]
        if each["id"]["table"] == "crashes"
        else f"{each['id']['table']}.{each['id']['row']}.{each['id']['name']}"
        for each in controls
    )
    return [at_fault.get(key) for key in keys]


def _unable(refused: Refused) -> Component:
    if refused.status == 404:
        return html.Div(
            empty("No model serves yet", f"{refused.error.message}: {refused.error.hint or NOTHING}", "predict"),
            className="card",
        )
    return problem(refused)
