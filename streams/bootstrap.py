"""The composition root: builds each process from settings, and runs it.

The only place that knows which implementation stands behind which name.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from aiohttp import web as aiohttp_web

from agents.audit import audit
from agents.fetch import fetch
from agents.merge import merge
from agents.plan import plan
from agents.poll import poll, poll_ever
from agents.schedule import schedule
from streams import topics
from streams.app import GOLD, TRAINER, WORKER, StreamApp
from streams.clock import tick
from streams.delivery import retry
from streams.errors import SettingError
from streams.expire import expire_hourly
from streams.extent import settle_extent
from streams.publisher import Publisher, declare_topics
from streams.records import (
    AuditRequest,
    BackfillRequest,
    BronzeWritten,
    CrashPage,
    DeadLetter,
    ForecastReady,
    ModelMeasured,
    PollRequest,
    RunEvent,
    ScheduleChange,
    SilverReady,
    TrainEvent,
    TrainRequest,
)
from streams.settings import Settings, missing
from streams.socrata.client import Portal
from streams.storage import bronze, silver
from streams.storage.bronze import Bronze
from streams.storage.findings import Findings
from streams.storage.forecasts import Forecasts
from streams.storage.objects import S3Objects
from streams.storage.silver import Silver

log = structlog.get_logger()
CHICAGO = ZoneInfo("America/Chicago")
BUCKETS = (bronze.BUCKET, silver.BUCKET, "models")


async def run_worker(settings: Settings) -> None:
    """The `worker` process: plan, fetch, merge. Any number of them share the work by partitions."""
    async with AsyncExitStack() as stack:
        publisher = await _publisher(stack, settings)
        objects = await _objects(stack, settings)
        portal = await stack.enter_async_context(_portal(settings))
        emit = publisher.publish
        extent = await retry(partial(settle_extent, objects, settings, datetime.now(CHICAGO), emit))

        app = StreamApp(WORKER, settings, emit)
        months = app.table("merge-state", topics.BRONZE_WRITTEN.partitions)
        archive, versions = Bronze(objects), Silver(objects)
        app.consume(topics.BACKFILL_REQUESTS, BackfillRequest, "plan", partial(plan, portal=portal, emit=emit))
        app.consume(
            topics.POLL_REQUESTS,
            PollRequest,
            "poll",
            partial(
                poll,
                states=app.table("watermarks", topics.POLL_REQUESTS.partitions),
                portal=portal,
                bronze=archive,
                emit=emit,
                extent=extent,
                page_rows=settings.page_rows,
            ),
        )
        app.consume(
            topics.AUDIT_REQUESTS,
            AuditRequest,
            "audit",
            partial(
                audit,
                portal=portal,
                bronze=archive,
                silver=versions,
                findings=Findings(objects),
                emit=emit,
                since=extent.since,
                today=lambda: datetime.now(CHICAGO).date(),
            ),
        )
        schedules = app.table("schedules", topics.SCHEDULE_CHANGES.partitions)
        app.consume(topics.SCHEDULE_CHANGES, ScheduleChange, "schedule", partial(schedule, states=schedules, emit=emit))
        app.clock(partial(tick, schedules, partial(app.owns, topics.SCHEDULE_CHANGES), emit, lambda: datetime.now(UTC)))
        app.clock(partial(poll_ever, settings.poll_seconds, partial(app.owns, topics.POLL_REQUESTS), emit))
        app.consume(
            topics.CRASH_PAGES,
            CrashPage,
            "fetch",
            partial(fetch, portal=portal, bronze=archive, emit=emit, page_rows=settings.page_rows),
            in_flight=settings.fetch_concurrency,
        )
        app.consume(
            topics.BRONZE_WRITTEN,
            BronzeWritten,
            "merge",
            partial(merge, states=months, bronze=archive, silver=versions, emit=emit),
        )
        await app.run()


async def run_gold(settings: Settings) -> None:
    """The `gold` process: the one owner of the DuckDB file. Loads, scores, keeps lineage, answers queries."""
    # Other processes are spared what only this one needs.
    from agents.expect import expect
    from agents.load import catch_up, load
    from agents.score import Scoring
    from agents.trace import list_dead, list_measures, list_requests, list_schedules, list_trainings, note
    from models.registry import Registry
    from models.scorer import Scorer
    from monitoring.models import observe_ever
    from streams.rebuild import GoldRebuild
    from streams.storage.gold.gold import Gold
    from streams.storage.gold.server import create_app as create_gold_app

    async with AsyncExitStack() as stack:
        gold = await asyncio.to_thread(Gold.open, settings.gold_file)
        stack.callback(gold.close)
        objects = await stack.enter_async_context(store(settings))
        rebuild = GoldRebuild(Silver(objects), gold)
        stack.push_async_callback(rebuild.stop)
        api = create_gold_app(gold, rebuild, settings.api_token, objects=objects)
        await stack.enter_async_context(_serving(api, settings.gold_host, settings.gold_port))
        publisher = await _publisher(stack, settings)
        await retry(partial(objects.ensure_buckets, BUCKETS))
        emit = publisher.publish
        archive, versions = Bronze(objects), Silver(objects)
        behind = await retry(partial(catch_up, versions, gold, archive, emit))
        log.info("caught up with Silver", months=behind)

        app = StreamApp(GOLD, settings, emit)
        scorer = Scorer(Registry(objects, emit))
        scoring = Scoring(gold, scorer, emit)

        async def load_and_score(ready: Sequence[SilverReady]) -> None:
            scoring.changed(await load(ready, versions, gold, archive, emit))

        app.consume_batches(topics.SILVER_READY, SilverReady, "load", load_and_score)
        app.clock(partial(scorer.follow, settings.broker, scoring.look))
        app.clock(scoring.run)
        app.clock(partial(observe_ever, gold, lambda: scorer.models))
        app.consume_batches(topics.SCHEDULE_CHANGES, ScheduleChange, "lineage", partial(list_schedules, gold=gold))
        app.clock(partial(expire_hourly, versions, timedelta(days=settings.keep_versions_days)))
        app.consume_batches(topics.RUN_EVENTS, RunEvent, "lineage", partial(note, gold=gold))
        app.consume_batches(topics.TRAIN_REQUESTS, TrainRequest, "lineage", partial(list_requests, gold=gold))
        app.consume_batches(topics.TRAIN_EVENTS, TrainEvent, "lineage", partial(list_trainings, gold=gold))
        app.consume_batches(topics.MODEL_MEASURED, ModelMeasured, "lineage", partial(list_measures, gold=gold))
        app.consume_batches(topics.DEAD_LETTERS, DeadLetter, "lineage", partial(list_dead, gold=gold))
        keep_forecast = partial(expect, forecasts=Forecasts(objects), gold=gold)
        app.consume_batches(topics.FORECAST_READY, ForecastReady, "forecast", keep_forecast)
        await app.run()


async def run_trainer(settings: Settings) -> None:
    """The `trainer` process: trains what is asked for, watches what serves, forecasts. Several share the work."""
    # Other processes are spared what only this one needs.
    from agents.begin import begin_ever
    from agents.forecast import forecast_ever
    from agents.watch import watch_ever
    from models.registry import Registry
    from streams.cancellations import Cancellations
    from streams.storage.gold.client import GoldClient

    async with AsyncExitStack() as stack:
        publisher = await _publisher(stack, settings)
        objects = await _objects(stack, settings)
        gold = await stack.enter_async_context(GoldClient(settings.gold))
        emit = publisher.publish
        registry = Registry(objects, emit)
        cancelled = Cancellations(settings.broker)

        async def train_when_asked(request: TrainRequest) -> None:
            # It brings the libraries of models along: a trainer that has nothing to do starts in half the time.
            from agents.train import train

            await train(request, gold, registry, emit, cancelled, settings.code_version)

        app = StreamApp(TRAINER, settings, emit)
        app.clock(cancelled.listen)
        app.clock(partial(begin_ever, gold, registry, partial(app.owns, topics.TRAIN_REQUESTS), emit))
        app.clock(partial(forecast_ever, gold, Forecasts(objects), partial(app.owns, topics.TRAIN_REQUESTS), emit))
        app.clock(partial(watch_ever, gold, registry, partial(app.owns, topics.TRAIN_REQUESTS), emit))
        # Without a limit: a search takes as long as it was asked to.
        app.consume(topics.TRAIN_REQUESTS, TrainRequest, "train", train_when_asked, seconds=None)
        await app.run()


async def run_web(settings: Settings) -> None:
    """The `web` process: pages and API. It starts whatever is down, and says so."""
    # Other processes are spared what only this one needs: a worker with Dash in it is twice as large.
    import uvicorn

    from models.registry import Registry
    from models.scorer import Scorer
    from monitoring.health import Health
    from streams.storage.gold.client import GoldClient
    from webapp.app import create_app
    from webapp.models import Models
    from webapp.parts import Parts

    async with (
        Publisher(settings.broker) as publisher,
        GoldClient(settings.gold) as gold,
        Health(settings) as health,
        store(settings) as objects,
        _portal(settings) as portal,
    ):
        emit = publisher.publish
        registry = Registry(objects, emit)
        scorer = Scorer(registry)
        models = Models(registry, scorer)
        app = create_app(
            Parts(settings, gold, emit, health, publisher.republish, objects, Silver(objects), models, portal)
        )
        config = uvicorn.Config(
            app,
            settings.web_host,
            settings.web_port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,  # whoever watches events would stay for ever
        )
        following = asyncio.create_task(scorer.follow(settings.broker))
        try:
            await uvicorn.Server(config).serve()
        finally:
            following.cancel()
            await asyncio.wait([following])


def store(settings: Settings) -> S3Objects:
    """The object store, not yet connected."""
    if settings.s3_endpoint_url is None:
        raise missing("CRASH_S3_ENDPOINT_URL")
    if settings.s3_access_key is None:
        raise missing("CRASH_S3_ACCESS_KEY")
    if settings.s3_secret_key is None:
        raise missing("CRASH_S3_SECRET_KEY")
    return S3Objects(str(settings.s3_endpoint_url).rstrip("/"), settings.s3_access_key, settings.s3_secret_key)


def _portal(settings: Settings) -> AbstractAsyncContextManager[Portal]:
    return Portal.connect(
        settings.portal,
        settings.portal_app_token,
        rate=settings.portal_rate,
        concurrency=settings.fetch_concurrency,
    )


async def _publisher(stack: AsyncExitStack, settings: Settings) -> Publisher:
    # A broker or a store that is away at the start is waited for, as it is later on.
    await retry(partial(declare_topics, settings.broker))
    return await stack.enter_async_context(Publisher(settings.broker))


async def _objects(stack: AsyncExitStack, settings: Settings) -> S3Objects:
    objects = await stack.enter_async_context(store(settings))
    await retry(partial(objects.ensure_buckets, BUCKETS))
    return objects


@asynccontextmanager
async def _serving(app: aiohttp_web.Application, host: str, port: int) -> AsyncIterator[None]:
    runner = aiohttp_web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await aiohttp_web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SettingError(
                f"CRASH_GOLD_PORT={port}: {error.strerror}", field="CRASH_GOLD_PORT", hint="choose a free port"
            ) from None
        yield
    finally:
        await runner.cleanup()
