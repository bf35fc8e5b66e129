"""`crash-stream audit` from its request to its report."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from streams.cli.audit import run_audit
from streams.console import POLL_SECONDS
from streams.errors import MalformedMessage
from streams.publisher import declare_topics
from streams.records import DATASETS, Audited, AuditRequest, Failed, Merged, Planned, RunEvent
from streams.settings import Settings
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.topics import AUDIT_REQUESTS
from tests.embedded_broker import EmbeddedBroker, consumer
from tests.gold_rows import silver
from tests.integration.webapp.serving import nowhere, serve_gold

JANUARY = date(2024, 1, 1)
ALIKE = Audited(dataset="people", month="2024-01", portal=1234, ours=1234)
GONE = Audited(dataset="crashes", month="2024-02", portal=7, ours=8, gone=1)
PLANNED = Planned(kind="audit", start=date(2024, 1, 1), end=date(2024, 3, 1), datasets=DATASETS, windows=0, rows=9)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("audit") / "broker") as running:
        yield running


@pytest.fixture
async def parts(tmp_path: Path, broker: EmbeddedBroker) -> AsyncIterator[tuple[Settings, Gold]]:
    await declare_topics(broker.bootstrap)
    async with serve_gold(tmp_path / "gold.duckdb") as served:
        yield nowhere(tmp_path, kafka_bootstrap=broker.bootstrap, gold_port=served.port), served.gold


async def audited(
    settings: Settings, work: Callable[[AuditRequest], Awaitable[None]], **wanted: object
) -> tuple[int, AuditRequest]:
    """Run the command and, once its request is there, a worker's part of it."""
    async with asyncio.timeout(20), consumer(settings.broker, AUDIT_REQUESTS.name) as reader:
        place = TopicPartition(AUDIT_REQUESTS.name, 0)
        reader.seek(place, (await reader.end_offsets([place]))[place])
        command = asyncio.create_task(run_audit(settings, wanted, wait=True))
        request = AuditRequest.decode((await reader.getone()).value)
        await work(request)
        return await command, request


def events(request: AuditRequest, *events: Audited | Planned | Merged | Failed) -> list[RunEvent]:
    return [RunEvent(run_id=request.run_id, event=event) for event in events]


async def test_a_copy_that_agrees_is_said_to_in_a_line(
    parts: tuple[Settings, Gold], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, gold = parts

    async def work(request: AuditRequest) -> None:
        gold.note(events(request, ALIKE, PLANNED))

    code, request = await audited(settings, work, start="2024-01-01", datasets=("people",), thorough=True)
    assert (request.start, request.end, request.datasets, request.thorough) == (JANUARY, None, ("people",), True)
    assert code == 0
    assert "all agree: 1,234 rows in 1 months" in capsys.readouterr().out


async def test_what_differs_is_shown_once_it_is_mended(
    parts: tuple[Settings, Gold], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, gold = parts

    async def work(request: AuditRequest) -> None:
        gold.note(events(request, ALIKE, GONE, PLANNED))
        await asyncio.sleep(2 * POLL_SECONDS)
        assert "mended" not in capsys.readouterr().out, "the tombstone is not in Gold yet"
        merged = Merged(page_id="audits/crashes/2024-02", month="2024-02", version=1, rows=1, crashes_changed=1)
        gold.note(events(request, merged))
        gold.load([Change("2024-02", 1, silver(bare=["gone"]))])

    code, _ = await audited(settings, work)
    shown = capsys.readouterr().out
    assert code == 0
    assert "mended: 1 crashes changed" in shown
    assert [line.split() for line in shown.splitlines() if "2024-" in line] == [
        ["│", "2024-02", "│", "crashes", "│", "7", "│", "8", "│", "0", "│", "1", "│", "0", "│"]
    ]


async def test_an_audit_that_failed_says_why(parts: tuple[Settings, Gold], capsys: pytest.CaptureFixture[str]) -> None:
    settings, gold = parts

    async def work(request: AuditRequest) -> None:
        gold.note(events(request, Failed(stage="audit", error="PortalDenied: wrong token")))

    code, _ = await audited(settings, work)
    assert code == 1
    assert "PortalDenied: wrong token" in capsys.readouterr().out


async def test_a_wrong_date_is_refused_by_its_option(tmp_path: Path) -> None:
    with pytest.raises(MalformedMessage, match="write it as YYYY-MM-DD") as refused:
        await run_audit(nowhere(tmp_path), {"start": "yesterday"}, wait=False)
    assert refused.value.field == "start"
