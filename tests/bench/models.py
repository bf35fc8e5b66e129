# ruff: noqa: B023  # what is timed runs at once
"""What models cost: fitting, batches with and without explanations, one crash; on crashes of the simulated city.

Seconds are processor time of the whole process for batches, so that a busy machine does not tell; a batch uses all
cores in practice. One crash is timed by the clock.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from statistics import median
from typing import TypeVar

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from models.algorithms import ALGORITHMS
from models.calibrate import Calibration
from models.encode import Encoding
from models.features import FEATURES, build
from models.model import Model
from streams.domain.clean import gold_frames
from tests.city_gold import city_changes

T = TypeVar("T")
CRASHES = 15_000
AS_MANY = 60_000  # scored without explanations; a thirtieth of them with


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """The answer, seconds by the clock, and seconds of processor time."""
    begun, used = time.perf_counter(), time.process_time()
    answer = work()
    return answer, time.perf_counter() - begun, time.process_time() - used


def main(names: list[str]) -> None:
    changes = city_changes(1, date(2024, 1, 1), date(2024, 4, 1), CRASHES)
    frames = [gold_frames(change.silver) for change in changes]
    crashes, vehicles, people = (
        pl.concat([getattr(frame, table) for frame in frames]) for table in ("crashes", "vehicles", "people")
    )
    crashes = crashes.drop_nulls("injury").sort("crash_date")
    rows, clock, used = timed(lambda: build(crashes, vehicles, people))
    rows = crashes.select("crash_record_id").join(rows, on="crash_record_id", how="left", maintain_order="left")
    label = crashes["injury"].to_numpy()
    print(f"features of {len(label):,} crashes: {len(label) / clock:,.0f} crashes/s ({len(label) / used:,.0f} a core)")
    cut = [int(len(label) * share) for share in (0.6, 0.8)]
    encoding = Encoding.fit(rows[: cut[0]], FEATURES)
    matrix = encoding.matrix(rows)
    many = pl.concat([rows] * (AS_MANY // len(label) + 1))[:AS_MANY]
    print(f"{matrix.shape[1]} columns, {label.mean():.1%} injure\n")
    print(
        f"{'':10}{'fit':>8}{'ROC-AUC':>9}{'size':>9} | crashes/s a core: matrix  explained  from features"
        " | one, ms  explained"
    )
    for name in names:
        algorithm = ALGORITHMS[name]  # type: ignore[index]  # from the command line
        train = slice(0, cut[0])
        fitted, _, fit = timed(
            lambda: algorithm.fit(
                matrix[train],
                label[train],
                None,
                algorithm.Hyperparameters(),
                lambda share, score: None,
                threads=1,
            )
        )
        raw = fitted.probability(matrix)
        model = Model(
            target="injury",
            tier="report",
            algorithm=name,  # type: ignore[arg-type]
            features=tuple(feature.name for feature in FEATURES),
            encoding=encoding,
            classifier=fitted,
            calibration=Calibration.fit(raw[cut[0] : cut[1]], label[cut[0] : cut[1]]),
            threshold=0.3,
            data_from=datetime(2024, 1, 1),
            data_through=datetime(2024, 4, 1),
            trained_at=datetime(2024, 4, 2, tzinfo=UTC),
        )
        size = sum(map(len, model.dump().values()))
        auc = roc_auc_score(label[cut[1] :], raw[cut[1] :])
        big = np.tile(matrix, (AS_MANY // len(label) + 1, 1))[:AS_MANY]
        few = big[: AS_MANY // 30]
        plain = AS_MANY / timed(lambda: fitted.probability(big))[2]
        explained = len(few) / timed(lambda: fitted.contributions(few))[2]
        whole = AS_MANY / timed(lambda: model.score(many))[2]
        single = [median(timed(lambda i=i: model.score(rows[i : i + 1], n))[1] for i in range(100)) for n in (0, 5)]
        print(
            f"{name:10}{fit:7.1f}s{auc:9.3f}{size / 1e6:7.1f}MB |{plain:24,.0f}{explained:11,.0f}{whole:18,.0f}"
            f" | {single[0] * 1e3:6.2f} {single[1] * 1e3:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:] or list(ALGORITHMS))
