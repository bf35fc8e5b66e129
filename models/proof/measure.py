"""Train and judge models where something is known that training does not know: true probabilities, or real rows."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.algorithms.protocol import Matrix
from models.compare import compare
from models.encode import Encoding
from models.evaluate import Evaluation, Metric, MetricName, Sample, interval, resamples
from models.features import KEY, build, chosen
from models.labels import labelled
from models.split import split
from models.train import Trained, train
from streams.domain.clean import clean
from streams.domain.engineer import engineer
from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES, Table, published
from streams.errors import RequestError
from streams.local.portal.city import City
from streams.records import TARGETS, Algorithm, Target, Tier, TrainRequest

_START: Final = date(2021, 1, 1)
_END: Final = date(2024, 1, 1)
# Any time after all rows: their outcomes are final.
_NOW: Final = datetime(2100, 1, 1, tzinfo=UTC)
_TRUE: Final[Mapping[Target, str]] = {"injury": "true_injury", "injury_severe": "true_severe"}

COVERED_ROWS: Final = 3_000
COVERED_TRIALS: Final = 200


@dataclass(frozen=True)
class Rows:
    """Crashes to learn from, in Gold's columns beside their features; of the city, with their true probabilities."""

    name: str
    frame: pl.DataFrame

    def of(self, target: Target) -> pl.DataFrame:
        """What `train` takes."""
        labels = labelled(self.frame, target, _NOW, timedelta(0)).select(KEY, "label")
        return labels.join(self.frame, on=KEY).rename({"beat_of_occurrence": "beat"})


@dataclass(frozen=True)
class Result:
    """One model on the rows after those it was trained with; `best` only where the truth is known."""

    target: Target
    tier: Tier
    trained: Trained
    test: pl.DataFrame
    seconds: float
    best: "Best | None"

    @property
    def evaluation(self) -> Evaluation:
        """How good it is on `test`."""
        return self.trained.evaluation

    @property
    def since(self) -> datetime:
        """When the rows that judge begin."""
        return cast(datetime, self.test["crash_date"].min())


@dataclass(frozen=True)
class Best:
    """What nobody can beat: its ROC-AUC, by how much the model is below it, and the error of its probabilities."""

    roc_auc: float
    below: Metric
    calibration_error: float


def city_rows(seed: int, crashes: int) -> Rows:
    """The rows of a simulated city, with what their outcomes were drawn from."""
    city = City(seed)
    parts = []
    for chunk in city.history(_START, _END, crashes):
        truth = city.truth(**chunk).select(KEY, true_injury="injury", true_severe="severe")
        parts.append(_learnable(chunk["crashes"], chunk["vehicles"], chunk["people"]).join(truth, on=KEY))
    return Rows("city", pl.concat(parts))


def real_rows(path: Path) -> Rows:
    """Rows of a CSV of crashes as a person exports them; without vehicles and people."""
    try:
        given = pl.read_csv(path, infer_schema=False)
    except OSError as error:
        raise RequestError(f"{path} is not readable: {error.strerror}", field="real") from None
    rows = (
        given.rename(str.lower)
        .with_row_index(KEY)
        .with_columns(
            pl.col(KEY).cast(pl.String).str.zfill(8),
            pl.col("crash_date").str.to_datetime("%m/%d/%Y %H:%M").dt.strftime("%Y-%m-%dT%H:%M:%S.000"),
        )
    )
    none = pl.DataFrame(schema=published(VEHICLES)), pl.DataFrame(schema=published(PEOPLE))
    return Rows("real", _learnable(_as_published(rows, CRASHES), *none))


def _as_published(rows: pl.DataFrame, of: Table) -> pl.DataFrame:
    schema = published(of)
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name) for name, kind in schema.items()
    )


def _learnable(crashes: pl.DataFrame, vehicles: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    units, persons = clean(vehicles, VEHICLES), clean(people, PEOPLE)
    gold = engineer(clean(crashes, CRASHES), units, persons)
    kept = gold.select(KEY, "crash_date", "beat_of_occurrence", *TARGETS)
    return kept.join(build(gold, units, persons), on=KEY)


def prove(rows: Rows, target: Target, tier: Tier, algorithm: Algorithm = "lightgbm", *, threads: int = 1) -> Result:
    """Train one model, and judge it on the newest rows."""
    of_target = rows.of(target)
    request = TrainRequest(request_id="proof", target=target, tier=tier, algorithm=algorithm)
    begun = time.monotonic()
    trained = train(request, of_target, None, _NOW, lambda stage, share, score: None, threads=threads)
    seconds = time.monotonic() - begun
    test = split(of_target).test
    best = _best(of_target, target, tier, trained, threads) if _TRUE[target] in test.columns else None
    return Result(target, tier, trained, test, seconds, best)


def _best(rows: pl.DataFrame, target: Target, tier: Tier, trained: Trained, threads: int) -> Best:
    parts, true = split(rows), _TRUE[target]
    truth, said = parts.test[true].to_numpy(), trained.model.probability(parts.test)
    label = parts.test["label"].to_numpy()
    if tier == "report":
        able = [truth]
    else:
        encoding = Encoding.fit(parts.train, chosen(tier))
        learn, check, test = (encoding.matrix(part) for part in (parts.train, parts.calibrate, parts.test))
        sure, checked = parts.train[true].to_numpy(), parts.calibrate[true].to_numpy()
        able = [_expected(learn[::step], sure[::step], check, checked, test, threads) for step in (1, 2)]
    found = compare(said, able[0], label, thresholds=(0.5, 0.5)).metrics["roc_auc"]
    # What the second half of the rows still gained is about what all further rows would gain.
    more = max(found.serving - _auc(able[-1], label), 0.0)
    below = Metric(
        value=more - found.difference.value, low=more - found.difference.high, high=more - found.difference.low
    )
    return Best(found.serving + more, below, _true_error(said, label, truth))


def _expected(
    learn: Matrix, sure: NDArray[Any], check: Matrix, checked: NDArray[Any], test: Matrix, threads: int
) -> NDArray[np.float64]:
    """The true probability expected by features: boosting fitted to true probabilities, not to outcomes."""
    booster = lightgbm.train(
        {"objective": "cross_entropy", "learning_rate": 0.06, "num_leaves": 31, "min_data_in_leaf": 100,
         "feature_fraction": 0.6, "lambda_l2": 5, "num_threads": threads, "verbosity": -1, "seed": 1},
        lightgbm.Dataset(learn, sure),
        num_boost_round=800,
        valid_sets=[lightgbm.Dataset(check, checked)],
        callbacks=[lightgbm.early_stopping(30, verbose=False)],
    )  # fmt: skip
    return np.asarray(booster.predict(test), dtype=np.float64)


def _auc(probability: NDArray[Any], label: NDArray[Any]) -> float:
    return Sample.of(probability, label, 0.5).metrics(np.ones(len(label)))["roc_auc"]


def _true_error(said: NDArray[Any], label: NDArray[Any], truth: NDArray[Any]) -> float:
    """The calibration error by true probabilities instead of outcomes, so without their noise."""
    sample = Sample.of(said, label, 0.5)
    gaps = np.add.reduceat(truth[sample.order] - sample.probability, sample.bins)
    return float(np.abs(gaps).sum() / len(label))


def coverage(result: Result) -> Iterator[tuple[MetricName, float]]:
    """How often intervals held the truth: outcomes drawn anew from the true probabilities, and judged each time."""
    truth, said = result.test[_TRUE[result.target]].to_numpy(), result.trained.model.probability(result.test)
    twice = Sample.of(np.repeat(said, 2), np.tile([True, False], len(said)), result.evaluation.threshold)
    weight = np.column_stack([truth, 1 - truth]).ravel()
    wanted = twice.metrics(weight[twice.order])
    rng = np.random.default_rng(1)
    names: tuple[MetricName, ...] = ("roc_auc", "pr_auc", "brier", "log_loss", "precision", "recall")
    held = dict.fromkeys(names, 0)
    for trial in range(COVERED_TRIALS):
        rows = rng.integers(0, len(said), COVERED_ROWS)
        drawn = Sample.of(said[rows], rng.random(COVERED_ROWS) < truth[rows], result.evaluation.threshold)
        found = drawn.metrics(np.ones(COVERED_ROWS))
        again = [drawn.metrics(weight) for weight in resamples(COVERED_ROWS, 200, trial)]
        for name in held:
            metric = interval(found[name], np.array([values[name] for values in again]))
            held[name] += metric.low <= wanted[name] <= metric.high
    return ((name, count / COVERED_TRIALS) for name, count in held.items())
