"""The REST API: a router a subject."""

from webapp.api import (
    audit,
    dead_letters,
    fetch,
    forecast,
    gold,
    health,
    lineage,
    model,
    predict,
    predict_from_gold,
    runs,
    schedule,
    session,
    training,
    versions,
    watching,
)

__all__ = [
    "audit",
    "dead_letters",
    "fetch",
    "forecast",
    "gold",
    "health",
    "lineage",
    "model",
    "predict",
    "predict_from_gold",
    "runs",
    "schedule",
    "session",
    "training",
    "versions",
    "watching",
]
