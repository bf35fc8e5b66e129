"""Is every part of the service well, and if not, what is to be done about it?

The one source of the answer: `GET /api/health`, the home page, `crash-stream status` and `doctor` ask here.
"""

import asyncio
import shutil
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.cached import Cached
from streams.domain.schemas import CRASHES
from streams.errors import CrashStreamError
from streams.settings import Settings
from streams.storage.gold.client import GoldClient
from streams.storage.objects import S3Objects
from streams.topics import TOPICS

LIMIT_SECONDS = 3.0  # a part that needs longer to say that it is well is not
KEEP_SECONDS = 4.0  # shorter than anyone's patience, longer than the pages' refresh
KEEP_PORTAL_SECONDS = 60.0  # the portal is not ours to hammer
LEAST_FREE_BYTES = 1 << 30

# As in streams.app, which brings all of Faust along.
WORKER_GROUP = "crash-worker"
GOLD_GROUP = "crash-gold"
TRAINER_GROUP = "crash-trainer"
MEMBERS_WANTED = {
    WORKER_GROUP: "start one: `crash-stream worker`; one just started needs some seconds",
    GOLD_GROUP: "start it: `crash-stream gold`",
    TRAINER_GROUP: "start one: `crash-stream trainer`; what is scored and predicted meanwhile is not affected",
}


@dataclass(frozen=True)
class Check:
    """How one part is. ``remedy`` says what to do next; there is one whenever the part is not well."""

    part: str
    ok: bool
    detail: str
    remedy: str | None = None


async def check_all(settings: Settings) -> tuple[Check, ...]:
    """Check every part once. Never raises; takes `LIMIT_SECONDS` at most."""
    async with Health(settings) as health:
        return await health.checks()


class Health:
    """Checks of every part, run at the same time and remembered for a few seconds.

    To be entered with ``async with``; connections open when first needed, so an absent part delays no start.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._admin: AIOKafkaAdminClient | None = None
        self._store: S3Objects | None = None
        self._gold: GoldClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self._own = Cached(self._ask_own, lambda _: KEEP_SECONDS)
        self._portal = Cached(self._ask_portal, lambda check: KEEP_PORTAL_SECONDS if check.ok else KEEP_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close_admin()
        await self._stack.aclose()

    async def checks(self) -> tuple[Check, ...]:
        """All parts: portal, broker, store, worker, gold, trainer, disk. Never raises."""
        portal, own = await asyncio.gather(self._portal(), self._own())
        return portal, *own

    async def _ask_own(self) -> tuple[Check, ...]:
        (broker, members), store, gold, disk = await asyncio.gather(
            self._ask_broker(), self._ask_store(), self._ask_gold(), self._ask_disk()
        )
        worker = _alive("worker", WORKER_GROUP, members)
        loading = _alive("gold", GOLD_GROUP, members)
        trainer = _alive("trainer", TRAINER_GROUP, members)
        return broker, store, worker, gold if not gold.ok or loading.ok else loading, trainer, disk

    async def _ask_broker(self) -> tuple[Check, dict[str, int]]:
        """How the broker is, and how many members each group of ours has."""
        address = self._settings.kafka_bootstrap
        if address is None:
            return Check("broker", False, "no broker is configured", "set CRASH_KAFKA_BOOTSTRAP to host:port"), {}
        remedy = f"start the broker at {address}, or correct CRASH_KAFKA_BOOTSTRAP; `crash-stream up` brings its own"
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                admin = await self._connected(address)
                missing = {topic.name for topic in TOPICS} - set(await admin.list_topics())
                members = await _members(admin)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._close_admin()
            why = "in time" if isinstance(error, TimeoutError) else f"({type(error).__name__})"
            return Check("broker", False, f"nobody answers at {address} {why}", remedy), {}
        if missing:
            detail = f"topics are missing: {', '.join(sorted(missing))}"
            return Check("broker", False, detail, "restart a worker: it creates the topics"), members
        return Check("broker", True, f"answers at {address}"), members

    async def _ask_store(self) -> Check:
        remedy = "start the object store, or correct CRASH_S3_ENDPOINT_URL; `crash-stream up` brings its own"
        return await _limited("store", self._store_answer(), remedy)

    async def _store_answer(self) -> str:
        url, key, secret = (
            self._settings.s3_endpoint_url,
            self._settings.s3_access_key,
            self._settings.s3_secret_key,
        )
        if url is None or key is None or secret is None:
            raise CrashStreamError(
                "no object store is configured",
                hint="set CRASH_S3_ENDPOINT_URL, CRASH_S3_ACCESS_KEY and CRASH_S3_SECRET_KEY",
            )
        if self._store is None:
            self._store = await self._stack.enter_async_context(S3Objects(str(url).rstrip("/"), key, secret))
        await self._store.ping()
        return f"answers at {str(url).rstrip('/')}"

    async def _ask_gold(self) -> Check:
        remedy = f"start it: `crash-stream gold`; it is expected at {self._settings.gold}"
        return await _limited("gold", self._gold_answer(), remedy)

    async def _gold_answer(self) -> str:
        if self._gold is None:
            self._gold = await self._stack.enter_async_context(GoldClient(self._settings.gold))
        await self._gold.status()
        return f"answers at {self._settings.gold}"

    async def _ask_disk(self) -> Check:
        folder = self._settings.data_dir.resolve()
        free = await asyncio.to_thread(_free_bytes, folder)
        detail = f"{free / (1 << 30):,.1f} GiB free at {folder}"
        if free < LEAST_FREE_BYTES:
            return Check("disk", False, detail, "free some space, or move CRASH_DATA_DIR to a larger disk")
        return Check("disk", True, detail)

    async def _ask_portal(self) -> Check:
        remedy = f"check the network and CRASH_PORTAL_URL ({self._settings.portal}); rows already here are not affected"
        return await _limited("portal", self._portal_answer(), remedy)

    async def _portal_answer(self) -> str:
        if self._session is None:
            self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        token = self._settings.portal_app_token
        url = f"{self._settings.portal}/api/views/{CRASHES.portal_id}.json"
        try:
            async with self._session.get(url, headers={"X-App-Token": token} if token else {}) as answer:
                if answer.status in (401, 403):
                    raise CrashStreamError(
                        f"refuses us with {answer.status}: the app token is wrong",
                        hint="correct CRASH_PORTAL_APP_TOKEN, or unset it: a wrong token is worse than none",
                    )
                if answer.status == 429:
                    raise CrashStreamError(
                        "throttles us (429)", hint="wait, or set CRASH_PORTAL_APP_TOKEN for a throttle of our own"
                    )
                if answer.status != 200:
                    raise CrashStreamError(f"answers {answer.status} for {url}")
                view = await answer.json(content_type=None)
        except aiohttp.ClientError as error:
            raise CrashStreamError(f"{self._settings.portal} does not answer ({type(error).__name__})") from error
        except ValueError as error:
            raise CrashStreamError(f"answers no JSON for {url}") from error
        updated = view.get("rowsUpdatedAt") if isinstance(view, dict) else None
        return f"rows updated {_age(updated)}" if isinstance(updated, int | float) else "answers"

    async def _connected(self, address: str) -> AIOKafkaAdminClient:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(
                bootstrap_servers=address, request_timeout_ms=int(LIMIT_SECONDS * 1000), client_id="crash-health"
            )
            await self._admin.start()
        return self._admin

    async def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()


async def _limited(part: str, asked: Awaitable[str], remedy: str) -> Check:
    """The part is well if it answers in time; ``asked`` gives the detail."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return Check(part, True, await asked)
    except TimeoutError:
        return Check(part, False, f"no answer within {LIMIT_SECONDS:.0f} s", remedy)
    except CrashStreamError as error:
        return Check(part, False, error.message, error.hint or remedy)


async def _members(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """How many processes are in each consumer group of ours."""
    answers = await admin.describe_consumer_groups(list(MEMBERS_WANTED))
    groups = [group for answer in answers for group in answer.to_object()["groups"]]
    return {group["group"]: len(group["members"]) for group in groups}


def _alive(part: str, group: str, members: dict[str, int]) -> Check:
    """A process is alive while it is in its consumer group: the broker expels who stops to answer."""
    count = members.get(group)
    if count is None:
        return Check(part, False, "cannot tell while the broker is away", "see to the broker first")
    if count == 0:
        return Check(part, False, "none is running", MEMBERS_WANTED[group])
    return Check(part, True, "1 is running" if count == 1 else f"{count} are running")


def _free_bytes(folder: Path) -> int:
    """Free bytes where the folder is, or will be once it is created."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _age(epoch: float) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0.0, datetime.now(UTC).timestamp() - epoch)
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {name} ago"
    return "just now"
