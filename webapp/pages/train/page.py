"""The page: its frame, and what moves it."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dash_mantine_components as dmc
from dash import ALL, MATCH, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from streams.records import TIERS
from webapp.ask import Ask, Refused
from webapp.components.aria import aria
from webapp.components.empty import empty
from webapp.components.heading import heading
from webapp.components.problem import problem
from webapp.components.promotion import promotion, promotion_callbacks
from webapp.components.table import table
from webapp.components.text import duration
from webapp.components.who import who_may
from webapp.pages.train import beside as side
from webapp.pages.train.choices import Choices, body, search
from webapp.pages.train.form import NUMBERS, form, hyperparameters, out_of_bounds, wrong
from webapp.pages.train.job import asked_for, ended, job, seconds, state

POLL_MS: Final = 1000
# Gold hears of a training so long after it was asked for, at most.
_HEARD_SECONDS: Final = 30
_CONTROLS: Final = (
    *("target", "tier", "algorithm", "imbalance", "rule", "recall", "cost"),
    *("search", "start", "end", "maturity", "promote"),
)
_FEATURES: Final = {"type": "train-features", "tier": ALL}
_HYPER: Final = {"type": "train-hyper", "name": ALL}


async def layout(ask: Ask, **given: str) -> Component:
    """The form as the address says, and places for the rest."""
    chosen = Choices.read(given)
    table_of_features = await ask.get("/api/model/features")
    known = {each["tier"]: [feature["name"] for feature in each["features"]] for each in table_of_features["tiers"]}
    return html.Div(
        [
            dcc.Location(id="train-url", refresh=False),
            dcc.Store(id="train-known", data=known),
            dcc.Store(id="train-means", data={each["tier"]: each["meaning"] for each in table_of_features["tiers"]}),
            dcc.Store(id="train-hyper-chosen", data=chosen.hyper),
            dcc.Store(id="train-parameters", data=[]),
            dcc.Store(id="train-refused", data=None),
            dcc.Store(id="train-job-id", data={"id": chosen.job, "asked": None}),
            dcc.Store(id="train-finished", data=None),
            dcc.Store(id="train-pair", data={"version": chosen.version, "beside": chosen.beside, "default": True}),
            dcc.Interval(id="train-tick", interval=POLL_MS, disabled=True),
            heading(
                "Train a model",
                "Choose what it predicts and what it may know. It is judged on newer crashes, beside what serves.",
            ),
            html.Div(
                [
                    html.Div(
                        form(chosen, table_of_features["tiers"], table_of_features["refused"]), className="train-form"
                    ),
                    html.Aside(_aside(), className="card train-aside"),
                ],
                className="train-columns",
            ),
            html.Section(
                [
                    html.H2("Side by side"),
                    html.Div(
                        [
                            _model_select("version", "Model"),
                            _model_select("beside", "beside"),
                            promotion("train"),
                        ],
                        className="train-choose",
                    ),
                    html.Div(id="train-beside-shown", className="train-beside"),
                ],
                className="card train-section",
            ),
            html.Section(
                [html.H2("Models"), html.Div(id="train-models", className="train-models")],
                className="card train-section",
            ),
            html.Section(
                [html.H2("Trainings"), html.Div(id="train-jobs", className="train-jobs")],
                className="card train-section",
            ),
        ],
        className="train",
    )


def _aside() -> list[Component]:
    return [
        html.H2("Ask for it"),
        html.P(id="train-summary", className="train-note"),
        html.Div(id="train-who"),
        dmc.Button("Train", id="train-submit", size="md"),
        html.Div(id="train-problem", role="status"),
        html.Details(
            [html.Summary("The request, for POST /api/model/train"), html.Div(id="train-request")], className="figures"
        ),
        html.Div(id="train-job", className="train-job", **aria(live="polite")),
        dmc.Button("Give it up", id="train-cancel", variant="default", style={"display": "none"}),
        html.Div(id="train-cancelled", role="status"),
    ]


def _model_select(name: str, label: str) -> Component:
    control: Component = dmc.Select(
        id=f"train-{name}", label=label, data=[], allowDeselect=False, comboboxProps={"withinPortal": False}
    )
    return control


def callbacks(app: Dash, ask: Ask) -> None:
    """The form, the training under way, and the models there are."""
    promotion_callbacks(app, ask, "train")
    _form_callbacks(app, ask)
    _job_callbacks(app, ask)
    _model_callbacks(app, ask)


def _form_callbacks(app: Dash, ask: Ask) -> None:
    controls = [State(f"train-{name}", "value") for name in _CONTROLS]
    changes = [Input(f"train-{name}", "value") for name in _CONTROLS]
    hyper = (_HYPER, "value"), (_HYPER, "id")
    context = [
        State("train-known", "data"),
        State("train-parameters", "data"),
        State("train-hyper-chosen", "data"),
    ]

    def chosen_by(values: Sequence[Any]) -> dict[str, Any]:
        """All choices of the form, by their names in the address."""
        plain, (features, numbers, ids, known, parameters, restored) = (
            values[: len(_CONTROLS)],
            values[len(_CONTROLS) :],
        )
        chosen = dict(zip(_CONTROLS, plain, strict=True))
        checked = set().union(*features)
        names = _known(known, chosen["tier"])
        given = {each["name"]: value for each, value in zip(ids, numbers, strict=True)}
        defaults = {each["name"]: each["default"] for each in parameters}
        # Until the algorithm's controls are there, what the address says of them holds.
        differ = {name: given[name] for name in given if given[name] != defaults.get(name)} if given else restored
        return {**chosen, "without": [name for name in names if name not in checked], "hyper": differ}

    @app.callback(
        Output("train-hyperparameters", "children"),
        Output("train-parameters", "data"),
        Output("train-algorithm-means", "children"),
        Output("train-hyper-chosen", "data"),
        Input("train-algorithm", "value"),
        State("train-hyper-chosen", "data"),
        State("train-parameters", "data"),
    )
    async def algorithm(name: str, restored: dict[str, Any], before: list[Any]) -> tuple[Any, Any, Any, Any]:
        try:
            described = (await ask.get("/api/model/algorithms"))["algorithms"]
        except Refused as refused:
            return problem(refused), [], "", restored
        (found,) = [each for each in described if each["name"] == name]
        # What was set by hand is of the algorithm before.
        kept = (
            {}
            if before
            else {each["name"]: restored[each["name"]] for each in found["hyperparameters"] if each["name"] in restored}
        )
        return hyperparameters(found, kept), found["hyperparameters"], f"{found['meaning']}.", kept

    @app.callback(
        Output("train-url", "search"),
        Output("train-summary", "children"),
        Output("train-request", "children"),
        Output("train-tier-means", "children"),
        Output("train-features-count", "children"),
        Output({"type": "train-tier", "tier": ALL}, "style"),
        Output({"type": "train-count", "tier": ALL}, "children"),
        Output("train-recall-field", "style"),
        Output("train-cost-field", "style"),
        *changes,
        Input(_FEATURES, "value"),
        *(Input(*each) for each in hyper),
        Input("train-job-id", "data"),
        Input("train-pair", "data"),
        *context,
        State("train-means", "data"),
        State("train-url", "search"),
    )
    async def show(*values: Any) -> tuple[Any, ...]:
        *form_values, job_id, pair, known, parameters, restored, means, at = values
        features = form_values[len(_CONTROLS)]
        chosen = chosen_by([*form_values, known, parameters, restored])
        names = _known(known, chosen["tier"])
        asked = body(chosen, names)
        wanted = {} if pair["default"] else {name: pair[name] for name in ("version", "beside")}
        address = search({**chosen, "job": job_id["id"], **wanted})
        hidden = {"display": "none"}
        counts = [f"{len(checked)} of {len(known[tier])}" for tier, checked in zip(known, features, strict=True)]
        later = [TIERS.index(tier) > TIERS.index(chosen["tier"]) for tier in known]
        count = f"{len(names) - len(chosen['without'])} of the {len(names)} features of this tier are in."
        if any(later):
            count += " What is known later is not offered."
        return (
            address if address != (at or "") else no_update,
            _summary(chosen, len(names)),
            html.Pre(json.dumps(asked, indent=2), tabIndex=0, className="train-json"),
            f"{chosen['tier']}: {means[chosen['tier']]}"
            + ("" if chosen["tier"] == TIERS[0] else "; and all before it"),
            count,
            [hidden if each else {} for each in later],
            counts,
            {} if chosen["rule"] == "recall" else hidden,
            {} if chosen["rule"] == "cost" else hidden,
        )

    @app.callback(
        Output({"type": "train-features", "tier": MATCH}, "value"),
        Input({"type": "train-all", "tier": MATCH}, "n_clicks"),
        Input({"type": "train-clear", "tier": MATCH}, "n_clicks"),
        State("train-known", "data"),
        prevent_initial_call=True,
    )
    async def all_or_none(_: int | None, __: int | None, known: dict[str, list[str]]) -> list[str]:
        which = ctx.triggered_id
        return known[which["tier"]] if which["type"] == "train-all" else []

    @app.callback(
        Output(_HYPER, "error"),
        *(Output(f"train-{name}", "error") for name in NUMBERS),
        Output("train-end", "error"),
        Input("train-refused", "data"),
        Input(*hyper[0]),
        *(Input(f"train-{name}", "value") for name in NUMBERS),
        Input("train-start", "value"),
        Input("train-end", "value"),
        State(*hyper[1]),
        State("train-parameters", "data"),
    )
    async def check(refused: dict[str, str] | None, values: list[Any], *rest: Any) -> tuple[Any, ...]:
        *numbers, start, end, ids, parameters = rest
        # What the API has refused is said until something is changed.
        said = refused or {} if ctx.triggered_id == "train-refused" else {}
        given = {each["name"]: value for each, value in zip(ids, values, strict=True)}
        ranges = {each["name"]: wrong(given[each["name"]], each) for each in parameters if each["name"] in given}
        errors = [said.get(f"hyperparameters.{name}") or ranges.get(name) for name in given]
        bounds = [
            said.get(number.field) or out_of_bounds(name, value)
            for (name, number), value in zip(NUMBERS.items(), numbers, strict=True)
        ]
        order = "it must be after the first day" if start and end and end <= start else None
        return errors, *bounds, said.get("end") or order

    @app.callback(Output("train-who", "children"), Input("train-url", "search"))
    async def who(at: str | None) -> Any:
        try:
            return who_may(await ask.get("/api/session"), "Training", f"/train{at or ''}")
        except Refused as refused:
            return problem(refused)

    @app.callback(
        Output("train-problem", "children"),
        Output("train-refused", "data"),
        Output("train-job-id", "data"),
        Input("train-submit", "n_clicks"),
        *controls,
        State(_FEATURES, "value"),
        *(State(*each) for each in hyper),
        *context,
        prevent_initial_call=True,
        running=[(Output("train-submit", "loading"), True, False)],
    )
    async def submit(_: int | None, *values: Any) -> tuple[Any, Any, Any]:
        chosen = chosen_by(values)
        known = values[-3]
        try:
            asked = await ask.post("/api/model/train", body(chosen, _known(known, chosen["tier"])))
        except Refused as refused:
            field = refused.error.field
            return problem(refused), {field: refused.error.message} if field else None, no_update
        return None, None, {"id": asked["request_id"], "asked": time.time()}


def _job_callbacks(app: Dash, ask: Ask) -> None:
    @app.callback(
        Output("train-job", "children"),
        Output("train-tick", "disabled"),
        Output("train-cancel", "style"),
        Output("train-finished", "data"),
        Input("train-tick", "n_intervals"),
        Input("train-job-id", "data"),
        State("train-finished", "data"),
    )
    async def follow(_: int | None, which: dict[str, Any], finished: dict[str, Any] | None) -> tuple[Any, ...]:
        hidden = {"display": "none"}
        if not which["id"]:
            return None, True, hidden, no_update
        try:
            told = await ask.get(f"/api/model/jobs/{which['id']}")
        except Refused as refused:
            unknown = refused.status == 404
            if unknown and which["asked"] and time.time() - which["asked"] < _HEARD_SECONDS:
                return asked_for(which["id"]), False, hidden, no_update
            return problem(refused), unknown, hidden, no_update  # a Gold that is away may come back
        over = told["ended_at"] is not None
        shown = [job(told), *([html.P(ended(told), className=f"train-end train-end-{told['state']}")] if over else [])]
        if not over or (finished and finished["id"] == which["id"]):
            return shown, over, hidden if over else {}, no_update
        beside = (told["comparison"] or {}).get("version")
        return shown, over, hidden, {"id": which["id"], "version": told["model_version"], "beside": beside}

    @app.callback(
        Output("train-cancelled", "children"),
        Input("train-cancel", "n_clicks"),
        State("train-job-id", "data"),
        prevent_initial_call=True,
    )
    async def cancel(_: int | None, which: dict[str, Any]) -> Any:
        try:
            await ask.post(f"/api/model/jobs/{which['id']}/cancel")
        except Refused as refused:
            return problem(refused)
        return html.P("It ends within seconds.", className="train-note")

    @app.callback(Output("train-jobs", "children"), Input("train-finished", "data"), Input("train-job-id", "data"))
    async def jobs(_: Any, __: Any) -> Any:
        try:
            found = (await ask.get("/api/model/jobs", limit=30))["jobs"]
        except Refused as refused:
            return problem(refused)
        if not found:
            return empty("No training yet", "Ask for one above; the first comes by itself.", "train")
        columns = {
            "id": "Training", "state": "State", "target": "Target", "tier": "Tier", "algorithm": "Algorithm",
            "score": "ROC-AUC", "took": "Took", "end": "What came of it", "model": "Model",
        }  # fmt: skip
        return table(columns, [_job_row(each) for each in found], label="Trainings, the last asked for first")


def _model_callbacks(app: Dash, ask: Ask) -> None:
    @app.callback(
        Output("train-version", "data"),
        Output("train-version", "value"),
        Output("train-beside", "data"),
        Output("train-beside", "value"),
        Output("train-pair", "data"),
        Output("train-candidate", "data"),
        Output("train-models", "children"),
        Input("train-target", "value"),
        Input("train-version", "value"),
        Input("train-beside", "value"),
        Input("train-finished", "data"),
        Input("train-changed", "data"),
        State("train-pair", "data"),
    )
    async def models(
        target: str, version: str, beside: str, finished: Any, _: int, pair: dict[str, Any]
    ) -> tuple[Any, ...]:
        try:
            versions = (await ask.get("/api/model/versions", limit=200))["versions"]
            wanted = _wanted(ctx.triggered_id, version, beside, finished, pair)
            by_name = {each["version"]: each for each in versions}
            target = by_name[wanted[0]]["target"] if wanted[0] in by_name else target
            promoted = (await ask.get("/api/model/promotions", target=target))["promotions"]
        except Refused as refused:
            return [], None, [], None, no_update, None, problem(refused)
        default = side.default_pair(versions, target, promoted)
        of_target = [each for each in versions if each["target"] == target]
        first = wanted[0] if wanted[0] in by_name else default[0]
        others = [each for each in of_target if each["version"] != first]
        second = next(
            (name for name in (wanted[1], default[1], default[0]) if name in {each["version"] for each in others}), None
        )
        candidate = {"version": first, "target": target, "serving": _serving(of_target)} if first else None
        return (
            _options(versions),
            first,
            _options(others),
            second,
            {"version": first, "beside": second, "default": (first, second) == default},
            candidate,
            _models(versions),
        )

    @app.callback(
        Output("train-beside-shown", "children"), Input("train-pair", "data"), Input("train-candidate", "data")
    )
    async def shown(pair: dict[str, Any], candidate: dict[str, Any] | None) -> Any:
        if not candidate:
            return empty("No model yet", "Train one, or wait: the first comes by itself.", "train")
        try:
            found = [await _shown(ask, version) for version in (pair["version"], pair["beside"]) if version]
            comparison = await _comparison(ask, found)
        except Refused as refused:
            return problem(refused)
        return side.side_by_side(found, candidate["serving"], comparison)


def _known(known: Mapping[str, list[str]], tier: Any) -> list[str]:
    """Names of the features that a tier knows."""
    return [name for each in TIERS[: TIERS.index(tier) + 1] for name in known[each]]


def _summary(chosen: Mapping[str, Any], features: int) -> str:
    count = features - len(chosen["without"])
    days = f"{chosen['start'] or 'the first'} to {chosen['end'] or 'the newest'}"
    searched = (
        f" Hyperparameters are searched for {duration(chosen['search'])}."
        if isinstance(chosen["search"], int | float)
        else ""
    )
    return (
        f"{chosen['algorithm']} for {chosen['target']}, from {count} features known at {chosen['tier']}, on crashes "
        f"from {days}. The oldest three fifths train, the next fifth calibrates, the newest judges.{searched}"
    )


def _wanted(
    trigger: Any, version: str | None, beside: str | None, finished: Mapping[str, Any] | None, pair: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """Which models are asked for: by a training that has ended, by the controls, by the address, or by nobody."""
    if trigger == "train-finished" and finished and finished["version"]:
        return finished["version"], finished["beside"]
    if trigger == "train-target":
        return None, None
    return version or pair["version"], beside or pair["beside"]


def _serving(versions: Sequence[Mapping[str, Any]]) -> str | None:
    return next((each["version"] for each in versions if each["serving"]), None)


def _options(versions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for each in versions:
        label = f"{each['version']}{' (serves)' if each['serving'] else ''}"
        groups.setdefault(each["target"], []).append({"value": each["version"], "label": label})
    return [{"group": target, "items": items} for target, items in groups.items()]


def _models(versions: Sequence[Mapping[str, Any]]) -> Component:
    if not versions:
        return empty("No model yet", "Train one, or wait: the first comes by itself.", "train")
    columns = {
        "version": "Version", "serves": "", "target": "Target", "tier": "Tier", "algorithm": "Algorithm",
        "roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "ece": "Calibration error", "through": "Data through", "show": "",
    }  # fmt: skip
    rows = [
        {
            **each,
            "version": side.origin(each),
            "serves": html.Strong("● serves", className="train-serves") if each["serving"] else "",
            **{
                name: f"{each['metrics'][name]:.3f}" for name in ("roc_auc", "pr_auc", "ece") if name in each["metrics"]
            },
            "through": each["data_through"][:10],
            "show": dcc.Link("compare", href=f"/train?target={each['target']}&version={each['version']}"),
        }
        for each in versions
    ]
    return table(columns, rows, label="Models, the newest first")


def _job_row(told: Mapping[str, Any]) -> dict[str, Any]:
    took, version = seconds(told), told["model_version"]
    return {
        "id": dcc.Link(told["request_id"], href=f"/train?job={told['request_id']}", className="train-id"),
        "state": state(told["state"]),
        "target": told["target"],
        "tier": told["tier"],
        "algorithm": told["algorithm"],
        "score": f"{told['score']:.3f}" if told["score"] is not None else None,
        "took": duration(took) if took is not None else None,
        "end": ended(told) if told["ended_at"] else None,
        "model": dcc.Link("its page", href=side.model_path(version)) if version else None,
    }


async def _shown(ask: Ask, version: str) -> side.Shown:
    path = f"/api/model/versions/{version}"
    return side.Shown(await ask.get(path), await ask.get(f"{path}/evaluation"))


async def _comparison(ask: Ask, found: Sequence[side.Shown]) -> Any:
    """The comparison that the first one's training made, if it was with the second."""
    if len(found) < 2:
        return None
    try:
        told = await ask.get(f"/api/model/jobs/{found[0].described['origin']['request_id']}")
    except Refused:
        return None  # of a training that Gold knows nothing of any more
    compared = told["comparison"]
    return compared if compared and compared["version"] == found[1].described["version"] else None
