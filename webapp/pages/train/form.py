"""The form: what to predict, from what, by what, on which crashes, and when it is to serve."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from streams.records import TIERS, Tier
from webapp.api.trainable import TITLES
from webapp.components.table import table
from webapp.components.term import term
from webapp.pages.train.choices import Choices

TARGETS: Final = {"injury": "Anybody injured", "injury_severe": "Anybody killed or badly hurt"}
PROMOTE: Final = {"if-better": "If it is better", "never": "Never", "always": "In any case"}
RULES: Final = {"f1": "Greatest F1", "recall": "A recall to reach", "cost": "What a missed case costs"}


class Number(NamedTuple):
    """A number that a training takes: its bounds are those of the API's `TrainRequest`."""

    label: str
    description: str
    low: float
    high: float
    field: str  # of the API
    without_low: bool = False
    suffix: str = ""


NUMBERS: Final[Mapping[str, Number]] = {
    "recall": Number("Recall", "share of the cases that are to be called", 0, 1, "recall", without_low=True),
    "cost": Number("Cost", "false alarms that a missed case is worth", 0, 1_000_000, "cost", without_low=True),
    "search": Number(
        "Search hyperparameters for",
        "empty: no search; what is set by hand stays",
        1,
        86_400,
        "search_seconds",
        suffix=" s",
    ),
    "maturity": Number(
        "Leave out crashes younger than", "reports of these may still change", 0, 3650, "maturity_days", suffix=" days"
    ),
}


def form(chosen: Choices, tiers: Sequence[Mapping[str, Any]], refused: Sequence[Mapping[str, str]]) -> list[Component]:
    """All controls; `tiers` and `refused` are those of `GET /api/model/features`."""
    return [
        _part(
            "What it predicts",
            [
                _radio("target", "Target", TARGETS, chosen.target),
                _radio("tier", "Known at", {tier: tier for tier in TIERS}, chosen.tier),
                html.P(id="train-tier-means", className="train-note"),
            ],
        ),
        _part("Features", _features(chosen, tiers, refused)),
        _part(
            "Algorithm",
            [
                dmc.Select(
                    id="train-algorithm",
                    label="Algorithm",
                    data=[{"value": name, "label": title} for name, title in TITLES.items()],
                    value=chosen.algorithm,
                    allowDeselect=False,
                    comboboxProps={"withinPortal": False},
                ),
                html.P(id="train-algorithm-means", className="train-note"),
                html.Div(id="train-hyperparameters", className="train-grid train-hyperparameters"),
                html.Div([_number("search", chosen.search)], className="train-grid"),
            ],
        ),
        _part(
            "Rare outcomes, calibration, threshold",
            [
                _radio(
                    "imbalance",
                    term(
                        "Imbalance",
                        "Injuries are rare. Weighing both classes alike makes training mind them more; calibration "
                        "makes the probabilities true again.",
                    ),
                    {"none": "As it is", "weights": "Weigh both classes alike"},
                    chosen.imbalance,
                    label="Imbalance",
                ),
                html.P(
                    "Every model is calibrated, on the fifth of the crashes after those it learns from: there is "
                    "nothing to choose.",
                    className="train-note",
                ),
                _radio(
                    "rule",
                    term(
                        "Threshold by",
                        "From which probability on a crash is called. Chosen on the calibration crashes.",
                    ),
                    RULES,
                    chosen.rule,
                    label="Threshold by",
                ),
                html.Div(
                    [
                        html.Div(_number("recall", chosen.recall), id="train-recall-field"),
                        html.Div(_number("cost", chosen.cost), id="train-cost-field"),
                    ],
                    className="train-grid",
                ),
            ],
        ),
        _part(
            "Crashes, and what becomes of it",
            [
                html.Div(
                    [
                        _date("start", "Crashes from", "empty: all there are", chosen),
                        _date("end", "up to, but without", "empty: the newest mature", chosen),
                        _number("maturity", chosen.maturity),
                    ],
                    className="train-grid",
                ),
                _radio("promote", "Let it serve", PROMOTE, chosen.promote),
            ],
        ),
    ]


def hyperparameters(algorithm: Mapping[str, Any], chosen: Mapping[str, Any]) -> list[Component]:
    """A number for each hyperparameter of an algorithm, as `GET /api/model/algorithms` describes it.

    `balance` is not among them: it is what "Imbalance" sets.
    """
    return [
        dmc.NumberInput(
            id={"type": "train-hyper", "name": each["name"]},
            label=each["name"],
            description=f"{each['meaning']}; {within(each)}",
            value=chosen.get(each["name"], each["default"]),
            min=each["minimum"],
            max=each["maximum"],
            step=1 if each["type"] == "integer" else 0.01,
            allowDecimal=each["type"] != "integer",
            clampBehavior="none",
            debounce=200,
        )
        for each in algorithm["hyperparameters"]
        if each["type"] != "boolean"
    ]


def within(each: Mapping[str, Any]) -> str:
    """The range of a hyperparameter in words: `1 to 5,000`, `more than 0, at most 1`."""
    low, high = each["minimum"], each["maximum"]
    if not (each["without_minimum"] or each["without_maximum"]):
        return f"{low:,g} to {high:,g}"
    return f"{'more than' if each['without_minimum'] else 'at least'} {low:,g}, " + (
        f"{'less than' if each['without_maximum'] else 'at most'} {high:,g}"
    )


def wrong(value: Any, each: Mapping[str, Any]) -> str | None:
    """What is wrong with a hyperparameter, if something is."""
    if not isinstance(value, int | float):
        return f"give a number: {within(each)}"
    low, high = each["minimum"], each["maximum"]
    below = value <= low if each["without_minimum"] else value < low
    above = value >= high if each["without_maximum"] else value > high
    return f"it takes {within(each)}" if below or above else None


def out_of_bounds(name: str, value: Any) -> str | None:
    """What is wrong with one of NUMBERS, if something is."""
    number = NUMBERS[name]
    if value is None or value == "":
        return None  # the API's default
    bounds = {
        "minimum": number.low,
        "maximum": number.high,
        "without_minimum": number.without_low,
        "without_maximum": False,
    }
    return wrong(value, bounds)


def _part(title: str, children: Any) -> Component:
    return html.Section([html.H2(title), html.Div(children, className="train-part")], className="card train-card")


def _radio(name: str, title: Any, options: Mapping[str, str], value: str, label: str | None = None) -> Component:
    control: Component = dmc.RadioGroup(
        dmc.Group([dmc.Radio(label=text, value=key) for key, text in options.items()], gap="md"),
        id=f"train-{name}",
        label=title,
        value=value,
        className="train-radio",
        **({"aria-label": label} if label else {}),
    )
    return control


def _number(name: str, value: float | None) -> Component:
    number = NUMBERS[name]
    control: Component = dmc.NumberInput(
        id=f"train-{name}",
        label=number.label,
        description=number.description,
        value="" if value is None else value,
        min=number.low,
        max=number.high,
        suffix=number.suffix,
        thousandSeparator=",",
        clampBehavior="none",
        debounce=200,
    )
    return control


def _date(name: str, label: str, description: str, chosen: Choices) -> Component:
    value = getattr(chosen, name)
    control: Component = dmc.DateInput(
        id=f"train-{name}",
        label=label,
        description=description,
        placeholder="YYYY-MM-DD",
        valueFormat="YYYY-MM-DD",
        value=value and str(value),
        clearable=True,
        popoverProps={"withinPortal": False},
    )
    return control


def _features(
    chosen: Choices, tiers: Sequence[Mapping[str, Any]], refused: Sequence[Mapping[str, str]]
) -> list[Component]:
    groups = [_tier(each["tier"], each["meaning"], each["features"], set(chosen.without)) for each in tiers]
    none = dmc.AccordionItem(
        [
            dmc.AccordionControl(_label("In none", f"{len(refused)} columns", "what gives the outcome away")),
            dmc.AccordionPanel(
                [
                    html.P(
                        "These columns are the outcome, or are written after it: a model that knew them would look "
                        "perfect in training and be useless for a crash whose outcome nobody knows yet. They are in no "
                        "tier, and the service refuses them by name.",
                        className="train-note",
                    ),
                    table({"column": "Column", "why": "Why"}, refused, label="Columns that are no features"),
                ]
            ),
        ],
        value="none",
    )
    return [
        html.P(id="train-features-count", className="train-note"),
        dmc.Accordion([*groups, none], multiple=True, variant="separated", order=3),
    ]


def _tier(tier: Tier, meaning: str, features: Sequence[Mapping[str, str]], without: set[str]) -> Component:
    boxes = [
        dmc.Checkbox(
            value=each["name"],
            label=each["name"],
            description=each["meaning"] if each["meaning"] != each["name"].replace("_", " ") else None,
        )
        for each in features
    ]
    control: Component = html.Div(
        dmc.AccordionItem(
            [
                dmc.AccordionControl(
                    _label(
                        tier, html.Span(id={"type": "train-count", "tier": tier}, children=f"{len(features)}"), meaning
                    )
                ),
                dmc.AccordionPanel(
                    [
                        html.Div(
                            [
                                dmc.Button(
                                    word, id={"type": f"train-{act}", "tier": tier}, variant="default", size="sm"
                                )
                                for act, word in (("all", "All"), ("clear", "None"))
                            ],
                            className="train-buttons",
                        ),
                        dmc.CheckboxGroup(
                            html.Div(boxes, className="train-boxes"),
                            id={"type": "train-features", "tier": tier},
                            label=html.Span(f"Features of tier {tier}", className="train-hidden"),
                            value=[each["name"] for each in features if each["name"] not in without],
                        ),
                    ]
                ),
            ],
            value=tier,
        ),
        id={"type": "train-tier", "tier": tier},
    )
    return control


def _label(title: str, count: Any, meaning: str) -> Component:
    return html.Div(
        [html.Strong(title), html.Span(count, className="train-count"), html.Span(meaning, className="train-meaning")],
        className="train-tier-label",
    )
