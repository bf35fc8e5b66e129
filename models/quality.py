"""How good the scores turned out to be, once the outcomes are known."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from models.evaluate import MIN_OF_CLASS, MIN_ROWS, Sample, roc_auc

SCHEMA: Final = {
    "model_version": pl.String,
    "month": pl.String,
    "rows": pl.Int64,
    "positives": pl.Int64,
    "base_rate": pl.Float64,
    "predicted": pl.Float64,
    "brier": pl.Float64,
    "ece": pl.Float64,
    "roc_auc": pl.Float64,
}


def realised(scores: pl.DataFrame, labels: pl.DataFrame, data_through: Mapping[str, datetime]) -> pl.DataFrame:
    """Quality by model version and crash month: `SCHEMA`, ordered by both.

    `scores` has crash_record_id, probability, model_version and scored_at, of one target; `labels` crash_record_id,
    crash_date and label, mature ones only. Of several scores of a crash by one version the first counts: it was given
    when least was known. Crashes up to a version's `data_through` are left out, as the model has learned them; so are
    versions it does not name. Calibration error and ROC-AUC are null where rows are too few to tell.
    """
    known = pl.DataFrame(
        {"model_version": list(data_through), "through": list(data_through.values())},
        schema={"model_version": pl.String, "through": pl.Datetime("us")},
    )
    rows = (
        scores.sort("scored_at")
        .unique(["crash_record_id", "model_version"], keep="first", maintain_order=True)
        .join(labels, on="crash_record_id")
        .join(known, on="model_version")
        .filter(pl.col("crash_date") > pl.col("through"), pl.col("label").is_not_null())
        .with_columns(month=pl.col("crash_date").dt.strftime("%Y-%m"))
    )
    parts = rows.partition_by("model_version", "month", as_dict=True)
    found = [
        {"model_version": version, "month": month, **_quality(part)} for (version, month), part in sorted(parts.items())
    ]
    return pl.DataFrame(found, schema=SCHEMA)


def _quality(rows: pl.DataFrame) -> dict[str, float | int | None]:
    probability, label = rows["probability"].to_numpy(), rows["label"].to_numpy()
    positives = int(label.sum())
    telling = len(label) >= MIN_ROWS and min(positives, len(label) - positives) >= MIN_OF_CLASS
    auc = roc_auc(probability, label) if telling else None
    return {
        "rows": len(label),
        "positives": positives,
        "base_rate": positives / len(label),
        "predicted": float(probability.mean()),
        "brier": float(((label - probability) ** 2).mean()),
        "ece": float(np.abs(Sample.of(probability, label, 0.5).gaps(np.ones(len(label)))).sum()) if telling else None,
        "roc_auc": auc[0] if auc else None,
    }
