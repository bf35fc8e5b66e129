"""`crash-stream up`: every part on this machine, under one supervisor."""

import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from agents.begin import first_trainings
from models.registry import Registry
from monitoring.health import check_all
from streams.bootstrap import store
from streams.console import RUNS, follow, gold_grid, report, runs_grid
from streams.errors import GoldUnavailable
from streams.local.lock import DataDirLock
from streams.local.ports import LOOPBACK, choose_port, is_open
from streams.local.process import Part
from streams.local.s3 import GRPC, PREFERRED_PORT, embedded_s3
from streams.local.services import Services, secrets, services_file, write_private
from streams.local.supervisor import Event, State, Supervisor
from streams.publisher import Publisher
from streams.settings import Settings
from streams.storage.gold.client import GoldClient

BROKER_PORT = 9092
PORTAL_PORT = 8020
CRASHES_A_DAY = 300
HISTORY_DAYS = 30
# A busy or a slow machine takes its time to import everything; who dies is noticed at once all the same.
PATIENCE_SECONDS = 120.0
LACKING = """
    select count(*) as crashes from crashes
    anti join (from scores where target = $target and model_version = $version) using (crash_key)
"""
TRAINED_SECONDS = 0.5
SCORED_SECONDS = 0.2

console = Console()


@dataclass(frozen=True)
class City:
    """The simulated portal: given rows, or a generated city of some size that may live; `faults` are SEED:RATE."""

    rows: Path | None = None
    crashes: int | None = None
    speed: float | None = None
    faults: str | None = None

    def arguments(self) -> list[str]:
        """Command line of the portal."""
        faults = ["--faults", self.faults] if self.faults else []
        if self.rows:
            return ["--rows", str(self.rows), *faults]
        size = []
        if self.crashes:
            days = max(HISTORY_DAYS, self.crashes // CRASHES_A_DAY)
            size = ["--crashes", str(self.crashes), "--days", str(days)]
        return [*size, *(["--speed", str(self.speed)] if self.speed else []), *faults]


async def run_up(settings: Settings, city: City | None, *, once: bool) -> int:
    """Run everything until told to stop, or with `once` until all is in Gold and scored. Returns the exit code."""
    stopping = _stop_signals()
    data_dir = settings.data_dir.absolute()
    with DataDirLock(data_dir) as lock:
        services, parts = _plan(settings, city, data_dir)
        write_private(services_file(data_dir), services)
        settings = settings.model_copy(update=services.model_dump())
        address = f"http://{LOOPBACK}:{services.web_port}"
        try:
            async with Supervisor(data_dir / "logs", _say) as supervisor:
                work = asyncio.create_task(_run(supervisor, parts, settings, lock, address, once=once))
                stopped = asyncio.create_task(stopping.wait())
                await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
                stopped.cancel()
                if not work.done():
                    work.cancel()
                    with suppress(asyncio.CancelledError):
                        await work
                    console.print("stopping …")
                    return 130 if once else 0
                return work.result()
        finally:
            services_file(data_dir).unlink(missing_ok=True)


async def _run(
    supervisor: Supervisor, parts: list[list[Part]], settings: Settings, lock: DataDirLock, address: str, *, once: bool
) -> int:
    for together in parts:
        await asyncio.gather(*(supervisor.start([part]) for part in together))
    lock.announce(address)
    failing = asyncio.create_task(supervisor.wait())
    working = asyncio.create_task(_ingest_once(settings) if once else _greet(settings, address))
    try:
        await asyncio.wait({failing, working}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            await failing
        code = await working
        if not once:
            await failing
        return code
    finally:
        failing.cancel()
        working.cancel()
        await asyncio.gather(failing, working, return_exceptions=True)


async def _greet(settings: Settings, address: str) -> int:
    console.print(f"\n[bold]Crash Stream[/] is at [link={address}]{address}[/]   (Ctrl-C stops it)")
    console.print(f"API token for whatever changes state: {settings.api_token}")
    console.print(f"Data and logs: {settings.data_dir.absolute()}\n")
    async with GoldClient(settings.gold) as gold:
        for run_id in await _open_runs(gold):
            report(await follow(gold, run_id))
    return 0


async def _ingest_once(settings: Settings) -> int:
    """Follow every run to its end and the crashes to their scores, then print what is in Gold."""
    code = 0
    async with GoldClient(settings.gold) as gold:
        for run_id in await _open_runs(gold):
            code |= report(await follow(gold, run_id))
        async with store(settings) as objects, Publisher(settings.broker) as publisher:
            registry = Registry(objects, publisher.publish)
            await _first_models(registry, gold)
            code |= await _until_scored(registry, gold)
        console.print(await gold_grid(gold))
        console.print(runs_grid((await gold.query(RUNS)).table.to_pylist()))
    ill = [check for check in await check_all(settings) if not check.ok]
    for check in ill:
        console.print(f"[yellow]{check.part}[/]: {check.detail}")
    return code


async def _first_models(registry: Registry, gold: GoldClient) -> None:
    """Wait until the models are trained that the trainer asks for by itself."""
    while True:
        with suppress(GoldUnavailable):
            if not await first_trainings(gold, registry, datetime.now(UTC)):
                return
        await asyncio.sleep(TRAINED_SECONDS)


async def _until_scored(registry: Registry, gold: GoldClient) -> int:
    """Wait until every crash has a score of each model that serves; 1 where that does not go on."""
    now = asyncio.get_running_loop().time
    for target, version in (await registry.serving()).items():
        parameters = {"target": target, "version": version}
        least, deadline = None, 0.0
        while True:
            with suppress(GoldUnavailable):
                (row,) = (await gold.query(LACKING, parameters=parameters)).table.to_pylist()
                if not row["crashes"]:
                    break
                if least is None or row["crashes"] < least:
                    least, deadline = row["crashes"], now() + PATIENCE_SECONDS
                elif now() > deadline:
                    console.print(f"[red]{least:,} crashes without a score[/] of {version}: the log of gold says why")
                    return 1
            await asyncio.sleep(SCORED_SECONDS)
    return 0


async def _open_runs(gold: GoldClient) -> list[str]:
    """Ids of the runs that are not at their end. Waits until there is a run at all: the first start asks for one."""
    while True:
        with suppress(GoldUnavailable):
            runs = (await gold.query("select run_id, status from runs order by requested_at")).table.to_pylist()
            if runs:
                return [run["run_id"] for run in runs if run["status"] == "running"] or [runs[-1]["run_id"]]
        await asyncio.sleep(0.2)


def _plan(settings: Settings, city: City | None, data_dir: Path) -> tuple[Services, list[list[Part]]]:
    """Where each part will be, and what to start: those that others need, then those others."""
    taken: set[int] = set()
    made_up = secrets(data_dir)
    embedded_broker = settings.kafka_bootstrap is None
    embedded_store = settings.s3_endpoint_url is None
    broker_port = choose_port(BROKER_PORT, taken=taken) if embedded_broker else 0
    s3_port = choose_port(PREFERRED_PORT, taken=taken, twin=GRPC) if embedded_store else 0
    portal_port = choose_port(PORTAL_PORT, taken=taken) if city else 0
    services = Services(
        kafka_bootstrap=settings.kafka_bootstrap or f"{LOOPBACK}:{broker_port}",
        s3_endpoint_url=str(settings.s3_endpoint_url or f"http://{LOOPBACK}:{s3_port}"),
        s3_access_key=settings.s3_access_key or made_up.s3_access_key,
        s3_secret_key=settings.s3_secret_key or made_up.s3_secret_key,
        portal_url=f"http://{LOOPBACK}:{portal_port}" if city else settings.portal,
        gold_port=choose_port(settings.gold_port, taken=taken),
        web_port=choose_port(settings.web_port, taken=taken),
        api_token=settings.api_token or made_up.api_token,
    )
    first = []
    if embedded_broker:
        first.append(_module("broker", broker_port, data_dir / "broker"))
    if embedded_store:
        keys = {"access_key": services.s3_access_key, "secret_key": services.s3_secret_key}
        first.append(embedded_s3(data_dir / "s3", port=s3_port, taken=taken, **keys))
    if city:
        first.append(_module("portal", portal_port, data_dir / "portal", *city.arguments(), ready_seconds=600))
    environment = services.environment() | {"CRASH_DATA_DIR": str(data_dir)}
    if settings.since:
        environment["CRASH_SINCE"] = str(settings.since)
    then = [
        _process("gold", environment, services.gold_port),
        _process("worker", environment, None),
        _process("trainer", environment, None),
        _process("web", environment, services.web_port),
    ]
    return services, [first, then]


def _module(name: str, port: int, folder: Path, *arguments: str, ready_seconds: float = 30.0) -> Part:
    argv = [sys.executable, "-m", f"streams.local.{name}", "--port", str(port), "--data-dir", str(folder), *arguments]
    return Part(name=name, argv=argv, ready=lambda: is_open(LOOPBACK, port), ready_seconds=ready_seconds)


def _process(name: str, environment: dict[str, str], port: int | None) -> Part:
    async def ready() -> bool:
        return port is None or await is_open(LOOPBACK, port)

    argv = [sys.executable, "-m", "streams.cli", name]
    return Part(name=name, argv=argv, env=environment, ready=ready, ready_seconds=PATIENCE_SECONDS)


def _say(event: Event) -> None:
    match event.state:
        case State.READY:
            console.print(f"[green]●[/] {event.part} is ready")
        case State.RESTARTING | State.FAILED:
            console.print(f"[red]●[/] {event.part} is {event.state}: {event.detail}")


def _stop_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
