"""The values of the topics: JSON objects that point at rows and never carry them.

A record decodes itself strictly: an unknown dataset or an unparsable date is refused with the field's name.
Unknown fields are ignored, so that an older process can read a newer one's events.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from streams.domain.cron import checked as checked_cron
from streams.errors import MalformedMessage

Dataset = Literal["crashes", "vehicles", "people"]
DATASETS: tuple[Dataset, ...] = ("crashes", "vehicles", "people")
# What a model may know: a tier knows the features of those before it, too.
Tier = Literal["pre-crash", "at-scene", "report"]
TIERS: tuple[Tier, ...] = ("pre-crash", "at-scene", "report")
# What models predict: columns of Gold's crashes.
Target = Literal["injury", "injury_severe"]
TARGETS: tuple[Target, ...] = ("injury", "injury_severe")
Algorithm = Literal["logistic", "forest", "xgboost", "lightgbm", "hist"]
ALGORITHMS: tuple[Algorithm, ...] = ("logistic", "forest", "xgboost", "lightgbm", "hist")
Stage = Literal["plan", "poll", "audit", "schedule", "fetch", "merge", "load", "lineage", "score", "train", "forecast"]

# Crash month as YYYY-MM; rows without a readable crash_date gather under this one.
UNDATED = "0000-00"
Month = Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
Identifier = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[\w.:~/-]+$")]


def _plain_date(value: object) -> object:
    """Only YYYY-MM-DD: pydantic alone would also take 1704067200 or a midnight timestamp for a date."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no date; write it as YYYY-MM-DD") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError(f"{value!r} is no date; write it as YYYY-MM-DD")


Day = Annotated[date, BeforeValidator(_plain_date)]


class Record(BaseModel):
    """What all records share: immutable, strict about what they know, JSON in and out."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    def encode(self) -> bytes:
        """The record as a message value: UTF-8 JSON."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Self:
        """Read a message value; raises `MalformedMessage` naming the field that is wrong."""
        if value is None:
            raise MalformedMessage("the message has no value", hint=f"send a JSON object: {cls.__name__}")
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            message, field = _explain(error)
            raise MalformedMessage(message, field=field) from None


def _explain(error: ValidationError) -> tuple[str, str | None]:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    reason = first["msg"].removeprefix("Value error, ")
    return (f"{field}: {reason}" if field else reason), field


class BackfillRequest(Record):
    """Copy `datasets` for crashes from `start` (inclusive) to `end` (exclusive). Anyone may publish one."""

    request_id: Identifier
    start: Day
    end: Day
    datasets: tuple[Dataset, ...] = DATASETS
    kind: Literal["backfill", "first-start", "schedule"] = "backfill"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"end {self.end} must be after start {self.start}; end is exclusive")
        if not self.datasets:
            raise ValueError(f"datasets is empty; leave it out for all of {', '.join(DATASETS)}")
        return self


class Cursor(Record):
    """Where a keyset page begins: just after this (`:updated_at`, `:id`), in the portal's own notation."""

    updated_at: str
    row_id: str


class CrashPage(Record):
    """A page to fetch: page `number` of one dataset's window [start, end) of crash dates."""

    run_id: Identifier
    dataset: Dataset
    start: Day
    end: Day
    number: int = Field(0, ge=0)
    after: Cursor | None = None

    @property
    def page_id(self) -> str:
        """Names the page within its run; the same for every attempt."""
        return f"{self.dataset}/{self.start}_{self.end}/{self.number:05d}"


class PollRequest(Record):
    """Ask one dataset for what is new: rows past its watermark, in the copy's extent.

    `since` reads from a time of the portal's on instead, whatever the watermark says: a look back. One that `begins`
    sets the watermark where there is none yet: what was published before is being backfilled. `number` and `after` are
    the page of a poll that goes on; a poll starts without them.
    """

    run_id: Identifier
    dataset: Dataset
    since: AwareDatetime | None = None
    begins: bool = False
    number: int = Field(0, ge=0)
    after: Cursor | None = None
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def page_id(self) -> str:
        """Names the page within its run."""
        return f"{self.dataset}/stream/{self.number:05d}"


class AuditRequest(Record):
    """Compare the copy with the portal, for crashes from `start` (inclusive) to `end` (exclusive), or all of it.

    A month's keys are compared where its counts differ; a `thorough` audit compares those of every month.
    It takes many deletions at once for the portal's mistake, and deletes nothing, unless told to `accept_deletions`.
    """

    run_id: Identifier
    start: Day | None = None
    end: Day | None = None
    datasets: tuple[Dataset, ...] = Field(DATASETS, min_length=1)
    thorough: bool = False
    accept_deletions: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"end {self.end} must be after start {self.start}; end is exclusive")
        return self


# Run ids and the paths of routes are made of it.
ScheduleId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Schedule(Record):
    """What is to be done when: `cron` has five fields and means Chicago's clock.

    `missed` says what to do about times at which nobody was there: `skip` them, or `once` make up for all of them.
    A backfill copies the last `days` days of crashes, streaming looks back `days` days (None: from the watermark),
    an audit compares the last `days` days (None: all).
    """

    schedule_id: ScheduleId
    cron: Annotated[str, Field(max_length=100), AfterValidator(checked_cron)]
    mode: Literal["backfill", "streaming", "audit"]
    days: int | None = Field(None, ge=1, le=20_000, validate_default=True)
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)] = DATASETS
    missed: Literal["skip", "once"] = "skip"

    @field_validator("days")
    @classmethod
    def _of_a_backfill(cls, days: int | None, info: ValidationInfo) -> int | None:
        if days is None and info.data.get("mode") == "backfill":
            raise ValueError("a backfill needs to know how many days to copy; add days, such as 7")
        return days


class ScheduleChange(Record):
    """Somebody changes a schedule, or its time has come (`fire`, for the time `due`)."""

    schedule_id: str
    change: Literal["create", "pause", "resume", "delete", "fire"]
    schedule: Schedule | None = Field(None, validate_default=True)
    due: AwareDatetime | None = Field(None, validate_default=True)
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @field_validator("schedule")
    @classmethod
    def _to_create(cls, schedule: Schedule | None, info: ValidationInfo) -> Schedule | None:
        if info.data.get("change") == "create":
            if schedule is None:
                raise ValueError("missing; to create a schedule, add it")
            if schedule.schedule_id != info.data.get("schedule_id", schedule.schedule_id):
                raise ValueError(f"its schedule_id {schedule.schedule_id} must be {info.data['schedule_id']}")
        return schedule

    @field_validator("due")
    @classmethod
    def _to_fire(cls, due: datetime | None, info: ValidationInfo) -> datetime | None:
        if due is None and info.data.get("change") == "fire":
            raise ValueError("missing; say for which time the schedule fires")
        return due


class BronzeWritten(Record):
    """A page is archived and holds rows of `month`: merge them."""

    run_id: Identifier
    page_id: str
    dataset: Dataset
    bronze_key: str
    month: Month


class SilverReady(Record):
    """A month's content changed from version `base` to `version`: bring Gold up to it.

    `delta_key` holds the crashes that changed; `silver_key` the whole month, for who missed `base`.
    """

    run_id: Identifier
    page_id: str
    month: Month
    base: int = Field(ge=0)
    version: int = Field(ge=1)
    silver_key: str
    delta_key: str
    crashes: int = Field(ge=0, description="crashes in the delta")


class Planned(Record):
    """A run begins: so many windows, and about so many rows in them, as the portal counted."""

    what: Literal["planned"] = "planned"
    kind: str
    start: Day
    end: Day
    datasets: tuple[Dataset, ...]
    windows: int
    rows: int


class Fetched(Record):
    """A page is in Bronze. `months` are those its rows fall in; `last` says that its window ends with it."""

    what: Literal["fetched"] = "fetched"
    page_id: str
    dataset: Dataset
    start: Day
    end: Day
    number: int
    last: bool
    bronze_key: str
    request: str
    rows: int
    size: int = Field(description="bytes of the body as received")
    months: tuple[Month, ...]


class Merged(Record):
    """A page's rows of `month` are in Silver, as of content version `version` of that month."""

    what: Literal["merged"] = "merged"
    page_id: str
    month: Month
    version: int
    rows: int
    crashes_changed: int


class Polled(Record):
    """A poll of one dataset ended: how far its watermark is. `out_of_date` answers move it nowhere."""

    what: Literal["polled"] = "polled"
    dataset: Dataset
    watermark: str | None = Field(None, description="`:updated_at` up to which the dataset is read")
    rows: int
    out_of_date: bool = False


class Audited(Record):
    """What an audit found in a month of one dataset; `missing` rows are being fetched, `gone` ones tombstoned."""

    what: Literal["audited"] = "audited"
    dataset: Dataset
    month: Month
    portal: int
    ours: int
    missing: int = 0
    gone: int = 0
    moved: int = 0


class Drifted(Record):
    """The portal's columns are not those known: `column` is new, has vanished, or its values are of another kind."""

    what: Literal["drifted"] = "drifted"
    dataset: Dataset
    column: str
    drift: Literal["new", "vanished", "retyped"]
    detail: str


class Failed(Record):
    """A message of the run went to the dead letters at `stage`; `page_id` is absent where a run as a whole failed."""

    what: Literal["failed"] = "failed"
    stage: Stage
    page_id: str | None = None
    month: Month | None = None
    error: str


class RunEvent(Record):
    """Something happened in a run. `lineage` in Gold is what these add up to."""

    run_id: Identifier
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    event: Planned | Fetched | Merged | Polled | Audited | Drifted | Failed = Field(discriminator="what")


class DeadLetter(Record):
    """A message that cannot be processed: where it came from, why, and its bytes as they were.

    It is published once more, with `replayed_at`, when the message was published again to its topic.
    """

    topic: str
    partition: int
    offset: int
    stage: Stage
    error: str = Field(description="name of the error's type")
    message: str
    field: str | None = None
    run_id: str | None = None
    key: bytes | None = None
    value: bytes | None = None
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    replayed_at: AwareDatetime | None = None


class CrashesScored(Record):
    """Crashes of `month` were scored by model `model_version`, and Gold holds their scores.

    It is news, not a ledger: after a kill it may be lacking for scores that Gold holds.
    """

    month: Month
    target: Target
    model_version: str
    crashes: int = Field(ge=1)
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class TrainRequest(Record):
    """Train a model of `target`. Anyone may publish one and leave out all but `request_id`; an id is one job.

    It learns from crashes of `start` (inclusive) to `end` (exclusive) that are older than `maturity_days`: reports of
    younger ones may still change. The threshold is chosen for a `recall` to reach, or for a `cost`: how many false
    alarms a missed case is worth. With `cancel`, the request of this id is given up instead.
    """

    request_id: Identifier
    cancel: bool = False
    target: Target = "injury"
    tier: Tier = "report"
    algorithm: Algorithm = "lightgbm"
    features: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="names of features; all of the tier where left out"
    )
    hyperparameters: dict[str, bool | int | float | str | None] = Field(default_factory=dict)
    search_seconds: float | None = Field(
        None, ge=1, le=86_400, description="search hyperparameters for so long; those given by hand stay as they are"
    )
    imbalance: Literal["none", "weights"] = "none"
    recall: float | None = Field(None, gt=0, le=1)
    cost: float | None = Field(None, gt=0, le=1_000_000)
    start: Day | None = None
    end: Day | None = None
    maturity_days: int = Field(14, ge=0, le=3650)
    promote: Literal["if-better", "never", "always"] = "if-better"
    seed: int = Field(0, ge=0, lt=2**31)
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"end {self.end} must be after start {self.start}; end is exclusive")
        if self.recall is not None and self.cost is not None:
            raise ValueError("the threshold is chosen for recall or for cost; leave one of them out")
        return self


class TrainEvent(Record):
    """How a training stands, all of it: of a request's events, the newest counts, and one that ends it before others.

    `share` is how much is done, from 0 to 1; `score` how good the best model is so far, where that is known.
    `metrics` are those of the evaluation, `comparison` that with the model which served.
    """

    request: TrainRequest
    state: Literal["running", "finished", "failed", "cancelled"]
    started_at: AwareDatetime
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    stage: str
    share: float = Field(ge=0, le=1)
    score: float | None = None
    seconds_left: float | None = None
    model_version: str | None = None
    promoted: bool | None = None
    metrics: dict[str, Any] | None = None
    comparison: dict[str, Any] | None = None
    error: str | None = None
    field: str | None = None
    hint: str | None = None

    @property
    def request_id(self) -> str:
        """The request it is about."""
        return self.request.request_id

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state != "running"


class Promotion(Record):
    """From now on model `version` serves for `target`, by decision of `by`; `before` served until then.

    `number` counts the promotions of a target. One that goes `back` takes back the promotion of `before`.
    """

    target: Target
    number: int = Field(ge=1)
    version: str
    before: str | None = None
    back: bool = False
    by: str
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class ForecastReady(Record):
    """A forecast was made at `made_at` of data that `basis` names: bring Gold's to it."""

    forecast_id: Identifier
    basis: str
    made_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class FeatureShift(Record):
    """How far a feature is from its reference, or `probability`, the scores: see `models.drift.Shift`."""

    feature: str
    psi: float
    band: str


class MeasuredDrift(Record):
    """How far `rows` crashes of these days, both included, are from those a model was trained on.

    `basis` names what was measured: the months' content versions in Gold.
    """

    basis: str
    data_from: Day
    data_through: Day
    rows: int
    shifts: tuple[FeatureShift, ...]


class MeasuredMonth(Record):
    """How good a model's scores of a month's crashes turned out to be: see `models.quality.realised`.

    `basis` names what was measured: a digest of crashes, scores and outcomes.
    """

    month: Month
    basis: str
    rows: int
    positives: int
    base_rate: float
    predicted: float
    brier: float
    ece: float | None = None
    roc_auc: float | None = None


class ModelMeasured(Record):
    """How a model fares that serves: whatever of it was measured anew."""

    model_version: str
    target: Target
    drift: MeasuredDrift | None = None
    months: tuple[MeasuredMonth, ...] = ()
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
