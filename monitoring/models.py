"""How the serving models fare, from Gold's tables into gauges: what was measured outlives the process that tells it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Never

import structlog

from monitoring import metrics
from streams.errors import CrashStreamError
from streams.records import Target
from streams.storage.gold.gold import Gold

if TYPE_CHECKING:
    from models.model import Model

log = structlog.get_logger()

# About as often as Prometheus asks.
EVERY_SECONDS: Final = 15.0

_GAUGES: Final = (
    metrics.MODEL_SERVES,
    metrics.MODEL_PSI,
    metrics.MODEL_DRIFT_ROWS,
    metrics.MODEL_MEASURED,
    metrics.MODEL_JUDGED,
    metrics.MODEL_ROC_AUC,
    metrics.MODEL_BRIER,
    metrics.MODEL_ECE,
    metrics.MODEL_PREDICTED,
    metrics.MODEL_BASE_RATE,
)
_DRIFT: Final = """
    select feature, psi, "rows", measured_at from model_drift where model_version = $version
    qualify data_through = max(data_through) over ()
"""
_QUALITY: Final = "from model_quality where model_version = $version order by month desc limit 1"


async def observe_ever(gold: Gold, serving: "Callable[[], Mapping[Target, Model]]") -> Never:
    """Keep the gauges of models at what Gold holds of those that serve."""
    while True:
        try:
            await asyncio.to_thread(observe_models, gold, serving())
        except CrashStreamError as error:  # Gold is busy: the gauges stay as they are
            log.warning("models not observed", reason=str(error))
        await asyncio.sleep(EVERY_SECONDS)


def observe_models(gold: Gold, serving: "Mapping[Target, Model]") -> None:
    """Set the gauges of models to what Gold holds of those that serve now. Raises `GoldBusy` and `QueryLimit`."""
    found = {
        target: (model, _rows(gold, _DRIFT, model.version), _rows(gold, _QUALITY, model.version))
        for target, model in serving.items()
    }
    for gauge in _GAUGES:  # a model that serves no more leaves nothing behind
        gauge.clear()
    for target, (model, drift, quality) in found.items():
        metrics.MODEL_SERVES.labels(target, model.version, model.tier).set(1)
        for shift in drift:
            metrics.MODEL_PSI.labels(target, shift["feature"]).set(shift["psi"])
            metrics.MODEL_DRIFT_ROWS.labels(target).set(shift["rows"])
        for month in quality:
            metrics.MODEL_JUDGED.labels(target).set(month["rows"])
            metrics.MODEL_BRIER.labels(target).set(month["brier"])
            metrics.MODEL_PREDICTED.labels(target).set(month["predicted"])
            metrics.MODEL_BASE_RATE.labels(target).set(month["base_rate"])
            # Of few crashes nobody can tell: then there is no such figure, rather than a wrong one.
            if month["roc_auc"] is not None:
                metrics.MODEL_ROC_AUC.labels(target).set(month["roc_auc"])
            if month["ece"] is not None:
                metrics.MODEL_ECE.labels(target).set(month["ece"])
        times = [row["measured_at"].replace(tzinfo=UTC).timestamp() for row in (*drift, *quality)]
        if times:
            metrics.MODEL_MEASURED.labels(target).set(max(times))


def _rows(gold: Gold, sql: str, version: str) -> list[dict[str, Any]]:
    return list(gold.query(sql, parameters={"version": version}).table.to_pylist())
