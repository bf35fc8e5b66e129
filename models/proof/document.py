"""What was measured, as docs/models.md."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from models.card import table
from models.evaluate import CALIBRATION_BINS, MetricName
from models.proof.measure import COVERED_ROWS, COVERED_TRIALS, Best, Result
from streams.records import TARGETS, Target, Tier

# What is asked of the models.
_BELOW_BEST: Final = 0.02
_CALIBRATION: Final = 0.02
_REAL_AUC: Final[Mapping[Tier, float]] = {"pre-crash": 0.63, "at-scene": 0.81, "report": 0.85}
_REAL_LIFT: Final = 4.0

_PREFACE: Final = """# How good the models are

Written by `python -m models.proof {arguments}`: no figure here is typed by hand. Every model is a LightGBM with its
defaults unless said otherwise, trained on the oldest 60 % of the rows, calibrated on the next 20 %, and judged on the
newest 20 %. In brackets are 95 % intervals, from {resamples} resamples of the test rows. ECE is the expected
calibration error, over {bins} bins of equal mass. The metrics are in `models/evaluate.py`, the features of a tier in
[features.md](features.md)."""
_CITY: Final = """## The simulated city

Its outcomes are drawn from probabilities that are known ([the simulated city](simulated-city.md)), so the best possible
is known, too. Judged on {test} crashes from {since} on.

At tier `report` the best possible is the truth itself, on the same rows and outcomes. It sees each person, while a
model sees counts of them. At a lower tier the best possible is the true probability expected by what is known there,
which has no closed form. It is estimated by boosting that learns the true probabilities, not outcomes, from the
features of that tier: without the noise of outcomes it comes closer than a model can. That is still an estimate from
below; so what it gained by the second half of its rows, which is about what all further rows would gain, is added.
"ECE by the truth" compares what is predicted with true probabilities instead of outcomes.

"""
_COVERED: Final = """### Do the intervals cover as they claim?

{trials} times, {rows} of the test rows were drawn at random, and outcomes for them from the true probabilities. So
often the 95 % interval held the value that follows from the true probabilities of all rows, at tier `report`:

"""
_REAL: Final = """## Real rows

Chicago's crashes of June 2019, 35 columns, without vehicles and people, so that most features of `at-scene` and
`report` are missing. Judged on {test} crashes from {since} on. Severe injuries are few: mind the intervals.

"""


def document(
    city: Sequence[Result],
    real: Sequence[Result],
    others: Sequence[Result],
    covered: Mapping[Target, Mapping[MetricName, float]],
    arguments: str,
) -> str:
    """What stands in docs/models.md; curves are in `models/` beside it. `covered` is what `coverage` found."""
    parts = [
        _PREFACE.format(arguments=arguments, resamples=city[0].evaluation.resamples, bins=CALIBRATION_BINS),
        "## What is asked, and what was measured\n\n"
        + table(["asked", "measured", ""], [*_asked_of_city(city), *_asked_of_real(real)]),
        _CITY.format(test=f"{len(city[0].test):,}", since=f"{city[0].since:%Y-%m-%d}")
        + table(
            ["", "ROC-AUC", "best possible", "below it", "PR-AUC / base rate", "ECE", "ECE by the truth"],
            (_city_row(result, result.best) for result in city if result.best),
        ),
        _pictures("city"),
        _COVERED.format(trials=COVERED_TRIALS, rows=f"{COVERED_ROWS:,}")
        + table(
            ["", *next(iter(covered.values()))],
            [[target, *(f"{share:.1%}" for share in shares.values())] for target, shares in covered.items()],
        ),
    ]
    if real:
        test = real[0].test
        parts += [
            _REAL.format(test=f"{len(test):,}", since=f"{real[0].since:%Y-%m-%d}")
            + table(
                ["", "positive", "ROC-AUC", "PR-AUC / base rate", "Brier skill", "ECE", "log loss"],
                map(_real_row, real),
            ),
            _pictures("real"),
            "### Algorithms\n\nAll with their defaults, at tier report.\n\n"
            + table(
                ["", "ROC-AUC", "PR-AUC / base rate", "Brier skill", "ECE", "seconds to train"],
                map(_algorithm_row, sorted(others, key=lambda result: (result.target, -_value(result, "roc_auc")))),
            ),
        ]
    return "\n\n".join(parts) + "\n"


def _asked_of_city(city: Sequence[Result]) -> Iterator[list[str]]:
    for result in city:
        if result.best:
            below = result.best.below
            asked = f"city, {result.target}, {result.tier}: ROC-AUC at most {_BELOW_BEST} below the best possible"
            yield [asked, str(below), _met(below.value <= _BELOW_BEST)]
    for result in city:
        error = result.evaluation.metrics["ece"]
        asked = f"city, {result.target}, {result.tier}: calibration error at most {_CALIBRATION}"
        yield [asked, str(error), _met(error.value <= _CALIBRATION)]


def _asked_of_real(real: Sequence[Result]) -> Iterator[list[str]]:
    for result in real:
        if result.target == "injury":
            found, least = result.evaluation.metrics["roc_auc"], _REAL_AUC[result.tier]
            yield [f"real, injury, {result.tier}: ROC-AUC at least {least}", str(found), _met(found.value >= least)]
        elif result.tier == "report":
            found = result.evaluation.metrics["pr_auc_lift"]
            asked = f"real, injury_severe, report: PR-AUC at least {_REAL_LIFT:g} times the base rate"
            yield [asked, str(found), _met(found.value >= _REAL_LIFT)]


def _met(so: bool) -> str:
    return "met" if so else "**missed**"


def _value(result: Result, name: MetricName) -> float:
    return result.evaluation.metrics[name].value


def _city_row(result: Result, best: Best) -> list[str]:
    found = result.evaluation.metrics
    return [
        f"{result.target}, {result.tier}",
        str(found["roc_auc"]),
        f"{best.roc_auc:.3f}",
        str(best.below),
        f"{found['pr_auc_lift'].value:.2f}",
        f"{found['ece'].value:.4f}",
        f"{best.calibration_error:.4f}",
    ]


def _real_row(result: Result) -> list[str]:
    found = result.evaluation.metrics
    names: tuple[MetricName, ...] = ("roc_auc", "pr_auc_lift", "brier_skill", "ece", "log_loss")
    return [
        f"{result.target}, {result.tier}", f"{result.evaluation.positives:,}", *(str(found[name]) for name in names)
    ]  # fmt: skip


def _algorithm_row(result: Result) -> list[str]:
    found = result.evaluation.metrics
    names: tuple[MetricName, ...] = ("roc_auc", "pr_auc_lift", "brier_skill", "ece")
    return [
        f"{result.target}, {result.trained.model.algorithm}",
        *(str(found[name]) for name in names),
        f"{result.seconds:.1f}",
    ]


def _pictures(source: str) -> str:
    return "\n".join(f"![Calibration, {source}, {target}](models/{source}-{target}.svg)" for target in TARGETS)
