"""Gold → `model-measured`: do crashes still look as in training, and how good did the scores turn out to be?"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Final, Never, cast

import polars as pl
import structlog
from threadpoolctl import threadpool_limits

from models.data import read_tables
from models.drift import Reference, drift
from models.features import build
from models.labels import MATURITY, labelled
from models.quality import realised
from models.registry import REFERENCE, Meta, Registry
from streams.domain.cron import CHICAGO
from streams.errors import CrashStreamError
from streams.publisher import Emit
from streams.records import Dataset, FeatureShift, MeasuredDrift, MeasuredMonth, ModelMeasured
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import MOST_ROWS
from streams.topics import MODEL_MEASURED

if TYPE_CHECKING:
    from models.model import Model

log = structlog.get_logger()

# A model is measured so often, and one that comes to serve at the next look.
EVERY_SECONDS: Final = 3600.0
LOOK_SECONDS: Final = 60.0
# The window of drift, and how much of it is in memory at a time: few enough crashes for one thread.
DAYS: Final = 30
SLICE_DAYS: Final = 5
# The scores among the features of a measurement; a column of Gold's `scores`.
SCORES: Final = "probability"

# The last days of the data, unless what Gold holds of them is measured. A crash dated in the future does not count.
WINDOW: Final = """
    with last as (select max(crash_date)::date as "last" from crashes where crash_date < $tomorrow::timestamp),
    days as (select "last" - $days::int + 1 as "first", "last" from last),
    held as (
        select "first", "last", string_agg(concat_ws(':', month, version), ' ' order by month) as basis
        from days join applied on month between strftime("first", '%Y-%m') and strftime("last", '%Y-%m')
        group by all
    )
    from held where not exists (
        from model_drift known
        where known.model_version = $version and known.data_through = held."last" and known.basis = held.basis
    )
"""
# Crashes whose outcome is mature, and that the model has not learned, with its scores.
JUDGED: Final = """
    select
        strftime(crash_date, '%Y-%m') as month, crash_record_id, crash_date, injury, injury_severe,
        probability, model_version, scored_at
    from crashes left join (
        select crash_key, probability, model_version, scored_at from scores
        where target = $target and model_version = $version
    ) using (crash_key)
    where crash_date > $after::timestamp and crash_date <= $mature::timestamp
        and case $target when 'injury' then injury else injury_severe end is not null
"""
# Months of these that are not measured as they are. One whose crashes are still being scored is waited for.
MONTHS: Final = f"""
    with judged as ({JUDGED}),
    found as (
        select month, bit_xor(hash(crash_record_id, scored_at, injury, injury_severe))::varchar as basis
        from judged group by month having count(*) = count(scored_at)
    )
    from found anti join (from model_quality where model_version = $version) using (month, basis) order by month
"""  # noqa: S608  SQL of our own
MONTH: Final = f"select * exclude (month) from ({JUDGED}) where month = $month"  # noqa: S608


async def watch_ever(gold: GoldClient, registry: Registry, owns: Callable[[], bool], emit: Emit) -> Never:
    """Measure each serving model within a minute and then once an hour, where this process `owns` that."""
    due: dict[str, float] = {}
    while True:
        now = time.monotonic()
        try:
            for version in sorted((await registry.serving()).values()) if owns() else ():
                if now >= due.get(version, now):
                    due[version] = now + EVERY_SECONDS
                    await watch(version, gold, registry, emit, datetime.now(UTC))
        except CrashStreamError as error:
            log.warning("model not measured", error=type(error).__name__, reason=str(error))
            if error.retriable:
                due.clear()
        except Exception:  # trainings go on
            log.exception("model not measured")
        await asyncio.sleep(LOOK_SECONDS)


async def watch(version: str, gold: GoldClient, registry: Registry, emit: Emit, now: datetime) -> ModelMeasured | None:
    """Measure whatever of a model's data is not measured as it is, and tell Gold; returns what was measured, if any.

    Raises what a query raises, `ModelMissing` and `ModelDamaged`.
    """
    meta = await registry.describe(version)
    found = await measure_drift(meta, gold, registry, now)
    months = await measure_months(meta, gold, now)
    if not found and not months:
        return None
    measured = ModelMeasured(model_version=version, target=meta.target, drift=found, months=months)
    await emit(MODEL_MEASURED, measured)
    moved = [shift.feature for shift in found.shifts if shift.band in ("shifted", "drifted")] if found else []
    log.info("model measured", version=version, moved=moved, months=[month.month for month in months])
    return measured


async def measure_drift(meta: Meta, gold: GoldClient, registry: Registry, now: datetime) -> MeasuredDrift | None:
    """How far the crashes of the last days of the data are from those the model was trained on.

    None where that is measured, where there are no crashes, or where nothing was kept to compare with.
    """
    if REFERENCE not in meta.files:
        return None
    tomorrow = now.astimezone(CHICAGO).date() + timedelta(days=1)
    window = await _rows(gold, WINDOW, version=meta.version, tomorrow=str(tomorrow), days=DAYS)
    if window.is_empty():
        return None
    first, last, basis = window.row(0)
    reference = Reference.model_validate_json(await registry.document(meta.version, REFERENCE))
    model = await registry.load(meta.version)
    parts = []
    # A month may change meanwhile: then it is of another version, and is measured again.
    for start in pl.date_range(first, last, f"{SLICE_DAYS}d", eager=True):
        tables = await read_tables(gold, start, min(start + timedelta(days=SLICE_DAYS), last + timedelta(days=1)))
        parts.append(await asyncio.to_thread(_count, reference, model, tables))
    found = drift(reference, reduce(add, parts))
    shifts = {**found.features, SCORES: found.scores}
    return MeasuredDrift(
        basis=basis,
        data_from=first,
        data_through=last,
        rows=found.rows,
        shifts=tuple(FeatureShift(feature=name, psi=shift.psi, band=shift.band) for name, shift in shifts.items()),
    )


async def measure_months(meta: Meta, gold: GoldClient, now: datetime) -> tuple[MeasuredMonth, ...]:
    """How good the scores of crashes after those the model has learned turned out to be, by month of the crash.

    Only months that are not measured as they are, and of whose mature crashes none awaits its score.
    """
    local = now.astimezone(CHICAGO).replace(tzinfo=None)
    wanted = {
        "version": meta.version,
        "target": meta.target,
        "after": meta.data_through.isoformat(),
        "mature": (local - MATURITY).isoformat(),
    }
    measured = []
    for month, basis in (await _rows(gold, MONTHS, **wanted)).iter_rows():
        crashes = await _rows(gold, MONTH, month=month, **wanted)
        quality = await asyncio.to_thread(_realised, meta, crashes, local)
        measured += [MeasuredMonth(basis=basis, **row) for row in quality.drop("model_version").to_dicts()]
    return tuple(measured)


def _count(reference: Reference, model: "Model", tables: Mapping[Dataset, pl.DataFrame]) -> Reference:
    features = build(tables["crashes"], tables["vehicles"], tables["people"])
    # A training may be under way, and crashes so few are done before other threads have woken up.
    with threadpool_limits(limits=1):
        return reference.count(features, model.probability(features))


def _realised(meta: Meta, crashes: pl.DataFrame, local: datetime) -> pl.DataFrame:
    scores = crashes.select("crash_record_id", "probability", "model_version", "scored_at")
    return realised(scores, labelled(crashes, meta.target, local), {meta.version: meta.data_through})


async def _rows(gold: GoldClient, sql: str, **parameters: Any) -> pl.DataFrame:
    answer = await gold.query(sql, limit=MOST_ROWS, parameters=parameters)
    return cast(pl.DataFrame, pl.from_arrow(answer.table))
