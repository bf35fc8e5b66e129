"""Every topic: its name, what its values are, its key, and how long the broker keeps it.

Read a row, then the agent of the same verb, then the storage module that it calls.
"""

from dataclasses import dataclass
from typing import Final

from streams.records import (
    AuditRequest,
    BackfillRequest,
    BronzeWritten,
    CrashesScored,
    CrashPage,
    DeadLetter,
    ForecastReady,
    ModelMeasured,
    PollRequest,
    Promotion,
    Record,
    RunEvent,
    ScheduleChange,
    SilverReady,
    TrainEvent,
    TrainRequest,
)

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True)
class Topic:
    """A topic and its contract; `key` names the attribute of its records that its messages are keyed by."""

    name: str
    record: type[Record]
    key: str
    partitions: int
    retention_ms: int
    max_bytes: int = 1024 * 1024

    @property
    def configs(self) -> dict[str, str]:
        """Broker configuration of the topic."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_bytes),
        }


# The key of bronze-written and silver-ready is the crash month: one worker owns a month, and a month's versions
# reach Gold in order.
BACKFILL_REQUESTS: Final = Topic("backfill-requests", BackfillRequest, "request_id", 4, 7 * DAY_MS)
# One partition holds a dataset's polls in order; its owner keeps the dataset's watermark.
POLL_REQUESTS: Final = Topic("poll-requests", PollRequest, "dataset", 4, 7 * DAY_MS)
AUDIT_REQUESTS: Final = Topic("audit-requests", AuditRequest, "run_id", 1, 7 * DAY_MS)
# One partition: whoever owns it is the one whose clock counts.
SCHEDULE_CHANGES: Final = Topic("schedule-changes", ScheduleChange, "schedule_id", 1, 7 * DAY_MS)
CRASH_PAGES: Final = Topic("crash-pages", CrashPage, "page_id", 8, 7 * DAY_MS)
BRONZE_WRITTEN: Final = Topic("bronze-written", BronzeWritten, "month", 8, 7 * DAY_MS)
SILVER_READY: Final = Topic("silver-ready", SilverReady, "month", 8, 7 * DAY_MS)
CRASHES_SCORED: Final = Topic("crashes-scored", CrashesScored, "month", 8, 7 * DAY_MS)
RUN_EVENTS: Final = Topic("run-events", RunEvent, "run_id", 4, 7 * DAY_MS)
TRAIN_REQUESTS: Final = Topic("train-requests", TrainRequest, "request_id", 4, 7 * DAY_MS)
TRAIN_EVENTS: Final = Topic("train-events", TrainEvent, "request_id", 4, 7 * DAY_MS)
# Every process with models in it listens to all of it, in no group. What serves is in the registry: this says, look.
MODEL_CHANGES: Final = Topic("model-changes", Promotion, "target", 1, 7 * DAY_MS)
FORECAST_READY: Final = Topic("forecast-ready", ForecastReady, "forecast_id", 1, 7 * DAY_MS)
MODEL_MEASURED: Final = Topic("model-measured", ModelMeasured, "model_version", 1, 7 * DAY_MS)
# A dead letter carries another message's bytes, as base64.
DEAD_LETTERS: Final = Topic("dead-letters", DeadLetter, "topic", 4, 90 * DAY_MS, max_bytes=2 * 1024 * 1024)

TOPICS: Final = (
    BACKFILL_REQUESTS,
    POLL_REQUESTS,
    AUDIT_REQUESTS,
    SCHEDULE_CHANGES,
    CRASH_PAGES,
    BRONZE_WRITTEN,
    SILVER_READY,
    CRASHES_SCORED,
    RUN_EVENTS,
    TRAIN_REQUESTS,
    TRAIN_EVENTS,
    MODEL_CHANGES,
    FORECAST_READY,
    MODEL_MEASURED,
    DEAD_LETTERS,
)
