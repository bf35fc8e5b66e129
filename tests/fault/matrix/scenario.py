"""A scenario: how its parts are put together, and who does what next."""

import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer

from agents.audit import audit
from agents.fetch import fetch
from agents.load import catch_up, load
from agents.merge import merge
from agents.plan import plan as plan_backfill
from agents.poll import poll
from agents.trace import note
from streams.app import BATCH
from streams.delivery import deliver, deliver_batch, retry
from streams.domain.engineer import ENGINEERED
from streams.domain.moves import keys
from streams.domain.schemas import TABLES
from streams.errors import BrokerUnavailable, GoldBusy, StoreUnavailable
from streams.local.portal import Faults, create_app
from streams.records import (
    DATASETS,
    AuditRequest,
    BackfillRequest,
    BronzeWritten,
    CrashPage,
    PollRequest,
    RunEvent,
    SilverReady,
)
from streams.socrata.client import Patience
from streams.storage.bronze import Bronze
from streams.storage.findings import Findings
from streams.storage.gold.gold import Gold
from streams.storage.silver import Silver
from streams.topics import (
    AUDIT_REQUESTS,
    BACKFILL_REQUESTS,
    BRONZE_WRITTEN,
    CRASH_PAGES,
    DEAD_LETTERS,
    POLL_REQUESTS,
    RUN_EVENTS,
    SILVER_READY,
)
from tests.embedded_s3 import shared_objects
from tests.fault.matrix.broker import Broker, Changelog, Partition
from tests.fault.matrix.city import City
from tests.fault.matrix.parts import SteppedPortal, Trouble, TroubledGold, TroubledObjects, emitter
from tests.fault.matrix.plan import Plan
from tests.fault.matrix.steps import Activity, Killed, Steps
from tests.pipeline import EXTENT, Pipeline

GOLD, GOLD_FILE = "gold", "gold.duckdb"
SINCE, TODAY = date(2024, 1, 1), date(2024, 3, 31)
WORKER_TOPICS = (BACKFILL_REQUESTS, POLL_REQUESTS, CRASH_PAGES, BRONZE_WRITTEN, AUDIT_REQUESTS)
# As in production, a failure is tried again; only nobody waits that long.
HURRY = Patience(first_delay=0.002, longest_delay=0.01, poll=0.002, longest_pause=0.005, tries=4, malformed_tries=5)
# Changes of a key that a table may lack when another worker takes it over.
STALENESS = 3


@dataclass
class Work:
    """An activity of a process, and the messages that it has in hand; a zombie's are somebody else's by now."""

    activity: Activity
    process: str
    taken: list[tuple[Partition, int]]
    zombie: bool = False


class Scenario:
    """The service in one process. `run` it, and ask it what is `wrong`."""

    def __init__(
        self, plan: Plan, city: City, faults: Faults, portal: SteppedPortal, pipe: Pipeline, file: Path
    ) -> None:
        self.plan, self.city, self.faults, self.pipe = plan, city, faults, pipe
        self._rng = random.Random(f"schedule {plan.seed}")
        self._broker = Broker()
        self._steps = portal.steps = Steps(self._at)
        trouble = partial(Trouble, self._steps, plan.seed)
        objects = TroubledObjects(pipe.objects, trouble(plan.store, StoreUnavailable), plan.full)
        self._emit = emitter(self._broker, trouble(plan.broker, BrokerUnavailable))
        self._gold = TroubledGold(pipe, file, trouble(plan.gold, GoldBusy))
        self._portal, self._bronze, self._findings = portal, Bronze(objects), Findings(objects)
        # A process has a Silver of its own: it remembers months.
        self._open = partial(Silver, objects)
        self._silver = {GOLD: self._open()}
        self._months, self._marks = Changelog(), Changelog()
        self._tables: dict[str, tuple[Any, Any]] = {}
        self._works: list[Work] = []
        self._pending: list[Callable[[], None]] = []
        self._lost: list[str] = []
        self.log: list[str] = []
        for number in range(plan.workers):
            self._start(f"worker-{number}")
        self._assign()

    async def run(self) -> None:
        """All that the plan says, then a poll of a portal without faults, then an audit that has them again."""
        request = BackfillRequest(request_id="first-start", start=SINCE, end=date(2024, 4, 1), kind="first-start")
        self._broker.append(BACKFILL_REQUESTS, request)
        audits = [partial(self._ask_for_audit, f"audit-{number}") for number in range(self.plan.audits)]
        polls = [partial(self._ask_for_polls, f"poll-{number}") for number in range(self.plan.polls)]
        self._pending = [*[self.city.change] * self.plan.changes, *polls, *audits, *[self._repeat] * self.plan.repeats]
        self._rng.shuffle(self._pending)
        await self._until_nothing_is_left()

        self.faults.stop()
        self._let_time_pass()
        self._ask_for_polls("last-poll")
        await self._until_nothing_is_left()
        self._lost = await self._missing()

        self.faults.rate = self.plan.portal
        self._ask_for_audit("last-audit")
        await self._until_nothing_is_left()
        self.faults.stop()

    async def end(self) -> None:
        """End what is still under way."""
        for work in self._works:
            await work.activity.end()

    async def wrong(self) -> list[str]:
        """What is not as it should be."""
        letters = [letter.value for letter in self._broker.messages(DEAD_LETTERS)]
        lag = [f"{p.topic.name} lags by {p.lag}" for p in self._partitions() if p.lag or p.busy]
        return [*(f"dead letter: {letter!r}" for letter in letters), *lag, *self._lost, *await self.pipe.wrong()]

    async def _missing(self) -> list[str]:
        """What no audit is needed for: nothing is lost, amended in vain, or in two months; deletions may be unknown."""
        counts = tuple(f"crashes.{name}:" for name in ENGINEERED)
        told = [line for line in await self.pipe.wrong() if "not expected" not in line and not line.startswith(counts)]
        silver = self.pipe.silver
        months = {month: await silver.month(await silver.head(month)) for month in await silver.months()}
        for table in TABLES.values():
            rows = keys(months, table)
            told += [f"Silver has {key} in two months" for key in rows.filter(rows["key"].is_duplicated())["key"]]
        return [f"before the audit: {line}" for line in told]

    async def incomplete(self) -> list[dict[str, Any]]:
        """Planned runs that Gold does not take for complete once it has heard of everything."""
        events = [RunEvent.decode(message.value) for message in self._broker.messages(RUN_EVENTS)]
        self._rng.shuffle(events)
        await note(events, self.pipe.gold)
        sql = "select run_id, status, error from runs where kind is not null and status <> 'complete'"
        return self.pipe.gold.query(sql).table.to_pylist()

    # What happens next.

    async def _until_nothing_is_left(self) -> None:
        while choices := self._choices():
            weights, actions = zip(*choices, strict=True)
            (action,) = self._rng.choices(actions, weights)
            await action()

    def _choices(self) -> list[tuple[float, Callable[[], Coroutine[Any, Any, None]]]]:
        choices: list[tuple[float, Any]] = [(1.0, partial(self._advance, work)) for work in self._works]
        waiting = [partition for partition in self._partitions() if partition.lag and not partition.busy]
        choices += [(0.5, partial(self._deliver, one)) for one in waiting if one.topic is not SILVER_READY]
        if any(one.topic is SILVER_READY for one in waiting) and not any(work.process == GOLD for work in self._works):
            choices.append((self.plan.haste, self._load))
        if self._pending:
            choices.append((0.03, self._happen))
        return choices

    async def _happen(self) -> None:
        self._pending.pop()()

    async def _advance(self, work: Work) -> None:
        try:
            await work.activity.advance()
        except Killed:
            stage = work.activity.stage
            self.log.append(f"{work.process} died at step {self._steps.count[stage]} of {stage}")
            await self._die(work.process)
            return
        if work.activity.done:
            self._works.remove(work)
            if not work.zombie:
                self._handled(work)

    def _handled(self, work: Work) -> None:
        commits = self._rng.random() < self.plan.commits
        for partition, offset in work.taken:
            partition.busy = False
            if commits:
                partition.committed = offset + 1

    def _at(self, activity: Activity, step: int) -> None:
        """A step: somebody may die here, or a month change hands."""
        if activity.stage == "merge" and step in self.plan.rebalances:
            self._rebalance(activity)
        if (activity.stage, step) in self.plan.deaths:
            raise Killed

    async def _die(self, process: str) -> None:
        for work in [work for work in self._works if work.process == process]:
            await work.activity.end()
            self._works.remove(work)
        for partition in self._partitions():
            if partition.owner == process:
                partition.rewind()
        if process == GOLD:
            self._gold.restart()
            self._silver[GOLD] = self._open()
            work = retry(partial(catch_up, self._silver[GOLD], self._gold, self._bronze, self._emit))
            self._begin("load", GOLD, [], work)
        else:
            self._start(process)

    def _start(self, worker: str) -> None:
        tables = [changelog.recovered(self._rng, STALENESS) for changelog in (self._months, self._marks)]
        self._tables[worker] = tables[0], tables[1]
        self._silver[worker] = self._open()

    def _assign(self) -> None:
        for partition in self._partitions():
            is_gold = partition.topic is SILVER_READY
            partition.owner = GOLD if is_gold else f"worker-{self._rng.randrange(self.plan.workers)}"

    def _rebalance(self, activity: Activity) -> None:
        """The partition of a merge under way goes to a worker whose table is old, while the merge goes on."""
        (work,) = (work for work in self._works if work.activity is activity)
        if work.zombie:
            return
        work.zombie = True
        ((partition, _),) = work.taken
        partition.owner = f"worker-{self._rng.randrange(self.plan.workers)}"
        partition.rewind()
        # What the new owner has of other months, it may lose on the occasion.
        self._start(partition.owner)
        self.log.append(f"partition {partition.number} of {partition.topic.name} went to {partition.owner}")

    def _repeat(self) -> None:
        """The partition that has the most to be read again is."""
        idle = [partition for partition in self._partitions() if not partition.busy]
        max(idle, key=lambda partition: partition.position - partition.committed).rewind()

    # What the processes do.

    async def _deliver(self, partition: Partition) -> None:
        offset = partition.position
        message = partition.log[offset]
        partition.position, partition.busy = offset + 1, True
        stage, record, handle = self._handler(partition)
        work = deliver(message, record, stage, handle, self._emit)
        self._begin(stage, partition.owner, [(partition, offset)], work)

    async def _load(self) -> None:
        taken = []
        for _ in range(BATCH):
            ready = [one for one in self._broker.partitions[SILVER_READY.name] if one.lag]
            if not ready:
                break
            partition = self._rng.choice(ready)
            taken.append((partition, partition.position))
            partition.position, partition.busy = partition.position + 1, True
        messages = [partition.log[offset] for partition, offset in taken]
        handle = partial(load, silver=self._silver[GOLD], gold=self._gold, bronze=self._bronze, emit=self._emit)
        work = deliver_batch(messages, SilverReady, "load", handle, self._emit)
        self._begin("load", GOLD, taken, work)

    def _begin(self, stage: str, process: str, taken: Sequence[tuple[Partition, int]], work: Any) -> None:
        self._works.append(Work(Activity(stage, work), process, [*taken]))

    def _handler(self, partition: Partition) -> tuple[Any, Any, Any]:
        months, marks = self._tables[partition.owner]
        silver = self._silver[partition.owner]
        parts = {"bronze": self._bronze, "emit": self._emit}
        asking = {**parts, "portal": self._portal}
        rows = {"page_rows": self.plan.page_rows}
        match partition.topic.name:
            case BACKFILL_REQUESTS.name:
                return "plan", BackfillRequest, partial(plan_backfill, portal=self._portal, emit=self._emit)
            case POLL_REQUESTS.name:
                return "poll", PollRequest, partial(poll, states=marks, extent=self.pipe.extent, **asking, **rows)
            case CRASH_PAGES.name:
                return "fetch", CrashPage, partial(fetch, **asking, **rows)
            case BRONZE_WRITTEN.name:
                return "merge", BronzeWritten, partial(merge, states=months, silver=silver, **parts)
            case AUDIT_REQUESTS.name:
                known = {"silver": silver, "findings": self._findings, "since": SINCE, "today": lambda: TODAY}
                return "audit", AuditRequest, partial(audit, **asking, **known)
        raise AssertionError(partition)

    def _partitions(self) -> list[Partition]:
        return [one for topic in (*WORKER_TOPICS, SILVER_READY) for one in self._broker.partitions[topic.name]]

    def _ask_for_polls(self, name: str) -> None:
        for dataset in DATASETS:
            self._broker.append(POLL_REQUESTS, PollRequest(run_id=f"{name}-{dataset}", dataset=dataset))

    def _ask_for_audit(self, run_id: str) -> None:
        self._broker.append(AUDIT_REQUESTS, AuditRequest(run_id=run_id))

    def _let_time_pass(self) -> None:
        """A poll that an old table takes to be under way is then taken for lost."""
        for values in self._marks.values.values():
            values[:] = [value | {"moved_at": None} for value in values]
        for worker, (months, _) in self._tables.items():
            self._tables[worker] = months, self._marks.recovered(self._rng, 0)


@asynccontextmanager
async def scenario(plan: Plan, folder: Path) -> AsyncIterator[Scenario]:
    """A scenario with all its parts, ready to run."""
    async with AsyncExitStack() as stack:
        city = City(plan)
        stack.callback(city.tables.close)
        faults = Faults(plan.seed, plan.portal, plan.kinds)
        server = await stack.enter_async_context(TestServer(create_app(city.tables, faults=faults)))
        url = str(server.make_url("")).rstrip("/")
        objects = await stack.enter_async_context(shared_objects())
        portal = await stack.enter_async_context(SteppedPortal.connect(url, None, patience=HURRY))
        pipe = Pipeline(city.tables, url, portal, objects, Gold.open(folder / GOLD_FILE), plan.page_rows, EXTENT)
        stack.callback(lambda: pipe.gold.close())
        running = Scenario(plan, city, faults, portal, pipe, folder / GOLD_FILE)
        stack.push_async_callback(running.end)
        yield running
