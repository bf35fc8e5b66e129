"""How good probabilities are, and how sure that is.

Every metric comes with a 95 % interval from resampling rows. The rows are sorted by score once; a resample is a weight
a row, and every metric follows from cumulative sums of weights. Metrics of slices (months, groups) have intervals in
closed form, as there may be hundreds of slices.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from streams.errors import DataTooThin, RequestError
from streams.records import UNDATED

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
MetricName = Literal[
    "roc_auc", "pr_auc", "pr_auc_lift", "brier", "brier_skill", "ece", "log_loss", "f1", "precision", "recall"
]
METRICS: Final[tuple[MetricName, ...]] = (
    "roc_auc", "pr_auc", "pr_auc_lift", "brier", "brier_skill", "ece", "log_loss", "f1", "precision", "recall"
)  # fmt: skip
LOWER_IS_BETTER: Final = frozenset({"brier", "ece", "log_loss"})

MIN_ROWS: Final = 100
MIN_OF_CLASS: Final = 10
CALIBRATION_BINS: Final = 10
RESAMPLES: Final = 400
CURVE_POINTS: Final = 200
# A slice below these says little; it is shown, and marked.
SMALL_ROWS: Final = 200
SMALL_OF_CLASS: Final = 20
# How often a grouping of an honest model has any flag beside `small`.
_FALSE_ALARM: Final = 0.01
# A probability of exactly 0 or 1 would make the log loss of one wrong row infinite.
_LEAST: Final = 1e-6
_DRAWS: Final = 500  # of the noise of calibration gaps
_Z: Final = NormalDist().inv_cdf(0.975)


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Metric(_Facts):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class Bin(_Facts):
    """Rows of like probability: how much was predicted, how much came, and the 95 % interval of that."""

    rows: int
    predicted: float
    observed: float
    low: float
    high: float


class CurvePoint(_Facts):
    """What calling every row from `threshold` on would give."""

    threshold: float
    precision: float
    recall: float


class Confusion(_Facts):
    """Counts of rows at the threshold."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int


class Slice(_Facts):
    """The rows of a month or a group.

    `gap` is the observed less the predicted share. Flags: `small` says little; `miscalibrated` has a gap, and `weak` a
    ROC-AUC below that of all rows, that chance does not explain, though as many slices were looked at as there are.
    """

    name: str
    rows: int
    positives: int
    base_rate: float
    predicted: float
    gap: Metric
    brier: float
    roc_auc: Metric | None
    precision: float | None
    recall: float | None
    flags: tuple[Literal["small", "miscalibrated", "weak"], ...]


class Evaluation(_Facts):
    """What `evaluate` found. A row counts as called where its probability is at least `threshold`."""

    rows: int
    positives: int
    base_rate: float
    threshold: float
    metrics: dict[MetricName, Metric]
    reliability: tuple[Bin, ...]
    pr_curve: tuple[CurvePoint, ...]
    confusion: Confusion
    by_month: tuple[Slice, ...]
    by_group: dict[str, tuple[Slice, ...]]
    resamples: int
    seed: int


@dataclass(frozen=True)
class Sample:
    """Rows in descending order of probability, ready to be weighed.

    `order` are their places as given; `ties` the last place of each run of equal probabilities; `called` how many reach
    the threshold; `bins` the first place of each calibration bin: equal masses, but for equal probabilities, which stay
    together. `square` and `surprise` are each row's part of Brier score and log loss.
    """

    probability: Floats
    label: Flags
    order: NDArray[np.intp]
    ties: NDArray[np.intp]
    bins: NDArray[np.intp]
    called: int
    square: Floats
    surprise: Floats

    @classmethod
    def of(cls, probability: NDArray[Any], label: NDArray[Any], threshold: float) -> Self:
        """Sort rows; raises RequestError for what are no probabilities, DataTooThin for too few rows of a class."""
        if len(probability) != len(label):
            raise RequestError(
                f"{len(probability)} probabilities for {len(label)} labels", field="label", hint="give one label a row"
            )
        given = np.asarray(probability, dtype=np.float64)
        if not (np.isfinite(given) & (given >= 0) & (given <= 1)).all():
            raise RequestError(
                "some probabilities are missing or outside of 0 to 1", field="probability", hint="calibrate them first"
            )
        hurt = np.asarray(label, dtype=np.bool_)
        enough(hurt)
        order = np.argsort(-given, kind="stable")
        ranked = given[order]
        ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        wanted = np.arange(1, CALIBRATION_BINS) * len(ranked) // CALIBRATION_BINS
        ends = ties[np.searchsorted(ties, wanted - 1)] + 1
        bins = np.unique(np.concatenate([[0], ends[ends < len(ranked)]]))
        came = hurt[order]
        likely = np.clip(np.where(came, ranked, 1 - ranked), _LEAST, 1 - _LEAST)
        called = int((given >= threshold).sum())
        return cls(ranked, came, order, ties, bins, called, (came - ranked) ** 2, -np.log(likely))

    def gaps(self, weight: Floats) -> Floats:
        """Of each calibration bin: the observed less the predicted share, times the bin's share of all rows."""
        gaps: Floats = np.add.reduceat(weight * (self.label - self.probability), self.bins) / weight.sum()
        return gaps

    def metrics(self, weight: Floats) -> dict[MetricName, float]:
        """All metrics of the rows so weighed; NaN where the weights leave one class only."""
        hits, seen = np.cumsum(weight * self.label), np.cumsum(weight)
        total, positives = float(seen[-1]), float(hits[-1])
        base = positives / total
        tp, called = (float(sums[self.called - 1]) if self.called else 0.0 for sums in (hits, seen))
        at, n = hits[self.ties], seen[self.ties]
        step, misses = np.diff(at, prepend=0.0), np.diff(n - at, prepend=0.0)
        # Sums of products rather than `@`: the threads of BLAS cost more than they save.
        brier = float((weight * self.square).sum()) / total
        pairs = float((misses * (at - step / 2)).sum())
        # No weight so far means no hit so far, too: such a tie adds nothing.
        precise = float((step * at / np.where(n > 0, n, 1)).sum())
        one_class = base in (0.0, 1.0)
        return {
            "roc_auc": np.nan if one_class else pairs / (positives * (total - positives)),
            "pr_auc": precise / positives if positives else np.nan,
            "pr_auc_lift": precise / positives / base if positives else np.nan,
            "brier": brier,
            "brier_skill": np.nan if one_class else 1 - brier / (base * (1 - base)),
            "ece": float(np.abs(self.gaps(weight)).sum()),
            "log_loss": float((weight * self.surprise).sum()) / total,
            "f1": 2 * tp / (called + positives) if called or positives else np.nan,
            "precision": tp / called if called else 0.0,
            "recall": tp / positives if positives else np.nan,
        }

    def reliability(self) -> tuple[Bin, ...]:
        """The calibration bins, the least probable first."""
        rows = np.diff(np.append(self.bins, len(self.label)))
        hits = np.add.reduceat(self.label.astype(np.float64), self.bins)
        predicted = np.add.reduceat(self.probability, self.bins) / rows
        low, high = _wilson(hits, rows)
        return tuple(
            Bin(rows=int(n), predicted=float(p), observed=float(h / n), low=float(a), high=float(b))
            for n, p, h, a, b in zip(rows, predicted, hits, low, high, strict=True)
        )[::-1]

    def pr_curve(self) -> tuple[CurvePoint, ...]:
        """Precision and recall by threshold, evenly thinned along recall."""
        hits, seen = np.cumsum(self.label)[self.ties], self.ties + 1
        wanted = np.linspace(hits[0], hits[-1], CURVE_POINTS)
        kept = np.unique(np.searchsorted(hits, wanted))
        return tuple(
            CurvePoint(
                threshold=float(self.probability[self.ties[i]]),
                precision=float(hits[i] / seen[i]),
                recall=float(hits[i] / hits[-1]),
            )
            for i in kept
        )

    def confusion(self) -> Confusion:
        """Counts at the threshold."""
        tp = int(self.label[: self.called].sum())
        positives, rows = int(self.label.sum()), len(self.label)
        return Confusion(
            true_positive=tp,
            false_positive=self.called - tp,
            true_negative=rows - self.called - (positives - tp),
            false_negative=positives - tp,
        )


def enough(label: Flags) -> None:
    """Raise DataTooThin where there are too few rows, or too few of one class, to judge by."""
    positives = int(label.sum())
    if len(label) < MIN_ROWS:
        raise DataTooThin(
            f"{len(label)} rows are too few to evaluate a model", field="rows", hint=f"give at least {MIN_ROWS}"
        )
    if min(positives, len(label) - positives) < MIN_OF_CLASS:
        raise DataTooThin(
            f"{positives} of {len(label)} rows are positive",
            field="label",
            hint=f"at least {MIN_OF_CLASS} of either class are needed; take a longer time or another target",
        )


def resamples(rows: int, count: int, seed: int) -> Iterable[Floats]:
    """`count` bootstrap samples of `rows` rows: how often each row was drawn."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64)


def evaluate(
    probability: NDArray[Any],
    label: NDArray[Any],
    threshold: float,
    crash_date: NDArray[Any],
    groups: Mapping[str, NDArray[Any]] | None = None,
    seed: int = 0,
    *,
    count: int = RESAMPLES,
) -> Evaluation:
    """Judge `probability` (0 to 1) by `label` (boolean), row by row.

    `crash_date` is datetime64; `groups` maps the name of a grouping to the group of each row, None where not known.
    Raises DataTooThin with fewer than MIN_ROWS rows or MIN_OF_CLASS of either class, RequestError for what cannot be.
    """
    for field, column in {"crash_date": crash_date, **(groups or {})}.items():
        if len(column) != len(label):
            raise RequestError(f"{len(column)} values for {len(label)} rows", field=field, hint="give one a row")
    sample = Sample.of(probability, label, threshold)
    rows = len(sample.label)
    found = sample.metrics(np.ones(rows))
    drawn = [sample.metrics(weight) for weight in resamples(rows, count, seed)]
    metrics = {name: interval(found[name], np.array([values[name] for values in drawn])) for name in METRICS}
    metrics["ece"] = ece_interval(sample, seed)
    given = np.asarray(probability, dtype=np.float64), np.asarray(label, dtype=np.bool_)
    auc = found["roc_auc"]
    return Evaluation(
        rows=rows,
        positives=int(sample.label.sum()),
        base_rate=float(sample.label.mean()),
        threshold=float(threshold),
        metrics=metrics,
        reliability=sample.reliability(),
        pr_curve=sample.pr_curve(),
        confusion=sample.confusion(),
        by_month=_slices(*given, threshold, _months(crash_date), auc),
        by_group={name: _slices(*given, threshold, _names(values), auc) for name, values in (groups or {}).items()},
        resamples=count,
        seed=seed,
    )


def interval(value: float, drawn: Floats) -> Metric:
    """The bias-corrected percentile interval of a value, given what resamples gave instead."""
    drawn = drawn[np.isfinite(drawn)]
    below = np.clip(((drawn < value).sum() + (drawn == value).sum() / 2) / len(drawn), 0.02, 0.98)
    shift = 2 * NormalDist().inv_cdf(float(below))
    low, high = np.quantile(drawn, [NormalDist().cdf(shift - _Z), NormalDist().cdf(shift + _Z)])
    return Metric(value=value, low=min(float(low), value), high=max(float(high), value))


def ece_interval(sample: Sample, seed: int) -> Metric:
    """The interval of the calibration error, a sum of absolute gaps.

    Chance makes gaps where there are none, so errors of resamples are too large as a rule, and their percentiles would
    not do. Instead, the interval holds each error t * ECE for which gaps of t times the size found, with as much noise
    as the rows have, give an error like the one found. Levels are a little wider than 95 %, since which bins have the
    gaps is a guess as well; so it covers what it claims.
    """
    rows = len(sample.label)
    gaps, error = sample.gaps(np.ones(rows)), np.sqrt(np.add.reduceat(sample.square, sample.bins)) / rows
    found = float(np.abs(gaps).sum())
    noise = error * np.random.default_rng(seed).standard_normal((_DRAWS, len(gaps)))
    noise = np.concatenate([noise, -noise])

    def quantile(t: float, level: float) -> float:
        return float(np.quantile(np.abs(t * gaps + noise).sum(axis=1), level))

    def largest(level: float) -> float:
        """The largest t whose `level` quantile is still below what was found."""
        low, high = 0.0, 2 + 2 * float(noise.max()) * len(gaps) / found
        for _ in range(16):
            middle = (low + high) / 2
            low, high = (middle, high) if quantile(middle, level) <= found else (low, middle)
        return low

    if found == 0:
        return Metric(value=0.0, low=0.0, high=quantile(0.0, 0.985))
    return Metric(value=found, low=min(largest(0.985), 1.0) * found, high=max(largest(0.015), 1.0) * found)


def roc_auc(probability: Floats, label: Flags) -> tuple[float, float] | None:
    """ROC-AUC and its standard error after DeLong; None with one class only."""
    hurt, unhurt = np.sort(probability[label]), np.sort(probability[~label])
    if not len(hurt) or not len(unhurt):
        return None
    above = _share_below(unhurt, hurt)
    below = 1 - _share_below(hurt, unhurt)
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1)
    return float(above.mean()), variance**0.5


def _share_below(values: Floats, of: Floats) -> Floats:
    """For each of `of`, the share of the sorted `values` below it; equal ones count half."""
    return (np.searchsorted(values, of, "left") + np.searchsorted(values, of, "right")) / (2 * len(values))


def _slices(
    probability: Floats, label: Flags, threshold: float, names: NDArray[np.str_], overall: float
) -> tuple[Slice, ...]:
    found, codes = np.unique(names, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(1, len(found)))
    strict = NormalDist().inv_cdf(1 - _FALSE_ALARM / 2 / len(found))
    return tuple(
        _slice(str(name), probability[rows], label[rows], threshold, overall, strict)
        for name, rows in zip(found, np.split(order, edges), strict=True)
    )


def _slice(name: str, probability: Floats, label: Flags, threshold: float, overall: float, strict: float) -> Slice:
    rows, positives = len(label), int(label.sum())
    called = probability >= threshold
    hits = int((label & called).sum())
    squares = float(((label - probability) ** 2).sum())
    # Where nothing happened the rows vary too little to tell: then the spread is what the model itself expects.
    spread = max(squares, float((probability * (1 - probability)).sum())) ** 0.5 / rows
    gap = float(label.mean() - probability.mean())
    auc = roc_auc(probability, label)
    flags: list[Literal["small", "miscalibrated", "weak"]] = []
    if rows < SMALL_ROWS or min(positives, rows - positives) < SMALL_OF_CLASS:
        flags.append("small")
    if abs(gap) > strict * spread:
        flags.append("miscalibrated")
    if auc and auc[0] + strict * auc[1] < overall and "small" not in flags:
        flags.append("weak")
    return Slice(
        name=name,
        rows=rows,
        positives=positives,
        base_rate=positives / rows,
        predicted=float(probability.mean()),
        gap=Metric(value=gap, low=gap - _Z * spread, high=gap + _Z * spread),
        brier=squares / rows,
        roc_auc=auc and _within_unit(*auc),
        precision=hits / int(called.sum()) if called.any() else None,
        recall=hits / positives if positives else None,
        flags=tuple(flags),
    )


def _within_unit(value: float, error: float) -> Metric:
    return Metric(value=value, low=max(value - _Z * error, 0.0), high=min(value + _Z * error, 1.0))


def _wilson(hits: Floats, rows: NDArray[Any]) -> tuple[Floats, Floats]:
    """The 95 % score interval of a share."""
    share, z2 = hits / rows, _Z**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return np.minimum(centre - half, share), np.maximum(centre + half, share)


def _months(crash_date: NDArray[Any]) -> NDArray[np.str_]:
    month = np.asarray(crash_date, dtype="datetime64[M]")
    return np.where(np.isnat(month), UNDATED, month.astype(np.str_))


def _names(values: NDArray[Any]) -> NDArray[np.str_]:
    return np.array(["unknown" if value is None or value != value else str(value) for value in values])
