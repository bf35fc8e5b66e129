"""The model card: what people should know before they rely on a model, in Markdown. Every number is a measured one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from models.compare import Comparison
from models.evaluate import CALIBRATION_BINS, SMALL_OF_CLASS, SMALL_ROWS, Evaluation, MetricName, Slice
from models.features import FEATURES
from models.model import Model
from models.registry import Origin
from streams.records import TIERS, Algorithm, Target, Tier

PREDICTS: Final[Mapping[Target, str]] = {
    "injury": "that anybody is injured in a crash",
    "injury_severe": "that anybody is killed or incapacitated in a crash",
}
KNOWING: Final[Mapping[Tier, str]] = {
    "pre-crash": "where and when it is, the light and the weather: what is known without the crash itself",
    "at-scene": "place and time, and what an officer sees on arrival",
    "report": "all of the finished report but the outcome and what follows from it",
}
ALGORITHM_NAMES: Final[Mapping[Algorithm, str]] = {
    "logistic": "logistic regression",
    "forest": "random forest",
    "xgboost": "gradient boosting (XGBoost)",
    "lightgbm": "gradient boosting (LightGBM)",
    "hist": "gradient boosting (scikit-learn's on histograms)",
}
METRIC_NAMES: Final[Mapping[MetricName, str]] = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "pr_auc_lift": "PR-AUC over the base rate",
    "brier": "Brier score",
    "brier_skill": "Brier skill over the base rate",
    "ece": f"expected calibration error ({CALIBRATION_BINS} bins of equal mass)",
    "log_loss": "log loss",
    "f1": "F1 at the threshold",
    "precision": "precision at the threshold",
    "recall": "recall at the threshold",
}
_WORST: Final = 10


def card(
    model: Model, evaluation: Evaluation, origin: Origin, *, threshold_rule: str, comparison: Comparison | None = None
) -> str:
    """The card of `model`, judged on its test rows. `threshold_rule` says in words how the threshold was chosen."""
    parts = [
        f"# {model.target}, {model.tier}\n\n`{model.version}`",
        _use(model),
        _data(model, evaluation, origin),
        "## How good it is\n\nOn rows later than all it has learned from; 95 % intervals from "
        f"{evaluation.resamples} resamples.\n\n" + metrics_table(evaluation),
        "## Whether its probabilities hold\n\n" + reliability_table(evaluation),
        _threshold(evaluation, threshold_rule),
        _weak(evaluation),
        *([_compared(comparison)] if comparison else []),
        _features(model),
        _limits(model),
        _made(model, origin),
    ]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the rest numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def metrics_table(evaluation: Evaluation) -> str:
    """All metrics with their intervals."""
    return table(
        ["metric", "value", "95 % interval"],
        [
            [METRIC_NAMES[name], f"{metric.value:.3f}", f"{metric.low:.3f} to {metric.high:.3f}"]
            for name, metric in evaluation.metrics.items()
        ],
    )


def reliability_table(evaluation: Evaluation) -> str:
    """Predicted and observed shares, by bins of equal mass."""
    return table(
        ["rows", "predicted", "observed", "95 % interval of the observed"],
        [
            [f"{held.rows:,}", *map(_percent, (held.predicted, held.observed)), _between(held.low, held.high)]
            for held in evaluation.reliability
        ],
    )


def _use(model: Model) -> str:
    return (
        f"The probability {PREDICTS[model.target]}, from {KNOWING[model.tier]}. By {ALGORITHM_NAMES[model.algorithm]}, "
        "calibrated.\n\n"
        "**For** those who plan and study road safety: to see where and when crashes are worse than others, to put "
        "reports in an order of likely harm, to watch for change.\n\n"
        "**Not for** deciding about a person: not for blame, insurance, charges, or whether somebody gets help. It "
        "knows crashes that were reported in Chicago, and nothing of how likely a crash is."
    )


def _data(model: Model, evaluation: Evaluation, origin: Origin) -> str:
    rows = ", ".join(f"{part} {count:,}" for part, count in origin.rows.items())
    silver = origin.silver_versions
    versions = ", ".join(f"{month} v{version}" for month, version in sorted(silver.items()))
    lines = [
        f"Learned from crashes of {model.data_from:%Y-%m-%d %H:%M} to {model.data_through:%Y-%m-%d %H:%M}, and judged "
        "by later ones" + (f" (rows: {rows})." if rows else "."),
        f"Of the {evaluation.rows:,} that judge, {evaluation.positives:,} ({_percent(evaluation.base_rate)}) are "
        "positive.",
    ]
    if versions:
        lines.append(f"Content versions in Silver: {versions}.")
    return "## Data\n\n" + "\n".join(lines)


def _threshold(evaluation: Evaluation, rule: str) -> str:
    held = evaluation.confusion
    counts = table(
        ["", "called", "not called"],
        [
            ["happened", f"{held.true_positive:,}", f"{held.false_negative:,}"],
            ["did not happen", f"{held.false_positive:,}", f"{held.true_negative:,}"],
        ],
    )
    return f"## Threshold\n\nA crash is called from a probability of {evaluation.threshold:.4f} on, {rule}.\n\n{counts}"


def _weak(evaluation: Evaluation) -> str:
    """The slices that are off by more than chance, and how many are too small to tell."""
    slices = {"month": evaluation.by_month, **evaluation.by_group}
    found = [(kind, part) for kind, parts in slices.items() for part in parts if _is_off(part)]
    worst = sorted(found, key=lambda pair: -abs(pair[1].gap.value) * pair[1].rows)[:_WORST]
    looked = ", ".join(f"{len(parts)} by {kind}" for kind, parts in slices.items())
    small = sum("small" in part.flags for parts in slices.values() for part in parts)
    text = (
        f"## Where it is weak\n\nLooked at: {looked}. {small} of them are small (fewer than {SMALL_ROWS} rows, or "
        f"than {SMALL_OF_CLASS} of either class)"
    )
    if not found:
        return text + ". In none is the model off by more than chance explains."
    rows = [
        [
            f"{kind} {part.name}",
            f"{part.rows:,}",
            _percent(part.predicted),
            _percent(part.base_rate),
            f"{part.roc_auc.value:.3f}" if part.roc_auc else "",
            ", ".join(part.flags),
        ]
        for kind, part in worst
    ]
    return (
        f"{text}. Off by more than chance explains: {len(found)}"
        + (f", of which the {_WORST} that concern most crashes" if len(found) > _WORST else "")
        + ".\n\n"
        + table(["", "rows", "predicted", "observed", "ROC-AUC", ""], rows)
    )


def _is_off(part: Slice) -> bool:
    return "miscalibrated" in part.flags or "weak" in part.flags


def _compared(comparison: Comparison) -> str:
    rows = [
        [METRIC_NAMES[name], f"{held.candidate:.3f}", f"{held.serving:.3f}", held.difference, held.verdict]
        for name, held in comparison.metrics.items()
    ]
    return f"## Beside what served\n\nOn the same {comparison.rows:,} rows: **{comparison.verdict}**.\n\n" + table(
        ["metric", "this model", "the serving one", "difference, 95 % interval", ""], rows
    )


def _features(model: Model) -> str:
    chosen = set(model.features)
    lines = [
        f"- **{tier}**: {', '.join(f'`{feature.name}`' for feature in of_tier)}"
        for tier in TIERS
        if (of_tier := [feature for feature in FEATURES if feature.tier == tier and feature.name in chosen])
    ]
    return (
        "## Features\n\nBy the tier at which they are known. Outcomes, and columns that follow from them, are not "
        "among them.\n\n" + "\n".join(lines)
    )


def _limits(model: Model) -> str:
    lines = [
        "Crashes that nobody reports are not in the data; nor are injuries that show after the report is closed.",
        "A probability is that of crashes like this one, not of this one: what the report does not say, it does not "
        "know.",
        "Contributions explain the model, not the crash: a feature may stand for a cause that is not recorded.",
        "Streets, cars and the filling in of reports change; drift and realised quality are watched for that.",
    ]
    if model.tier == "pre-crash":
        lines.append("Knowing nothing of the crash itself, it tells crashes apart only a little.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _made(model: Model, origin: Origin) -> str:
    return (
        f"## How it was made\n\nTrained {model.trained_at:%Y-%m-%d %H:%M} UTC by code version `{origin.code_version}`, "
        f"request `{origin.request_id}`. Hyperparameters: `{json.dumps(origin.hyperparameters, sort_keys=True)}`."
    )


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _between(low: float, high: float) -> str:
    return f"{_percent(low)} to {_percent(high)}"
