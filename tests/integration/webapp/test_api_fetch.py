"""Asking for a copy over the API: what reaches the topic, and who may ask."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from streams.errors import BrokerUnavailable
from streams.publisher import Publisher, declare_topics
from streams.records import DATASETS, BackfillRequest, PollRequest
from streams.topics import BACKFILL_REQUESTS
from tests.embedded_broker import EmbeddedBroker, consumer
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_gold, serve_web

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/api/fetch/publish"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JANUARY = {"mode": "backfill", "start": "2024-01-01", "end": "2024-02-01"}


@pytest.fixture(scope="module")
def published() -> Outbox:
    return Outbox()


@pytest.fixture
def outbox(published: Outbox) -> Iterator[Outbox]:
    """The app's, empty again for each test."""
    yield published
    published.records.clear()
    published.failure = None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(
    sample: Path, published: Outbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve_gold(sample) as served,
        serve_web(nowhere(tmp_path_factory.mktemp("api"), gold_port=served.port), published) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


@pytest.fixture
def api(app: aiohttp.ClientSession, outbox: Outbox) -> aiohttp.ClientSession:
    """One app for all tests here: it keeps nothing between two requests but what `outbox` has."""
    assert outbox.records == []
    return app


async def post(
    api: aiohttp.ClientSession, body: Any, status: int, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    data = body if isinstance(body, str) else None
    async with api.post(PATH, json=None if data else body, data=data, headers=headers or BEARER) as response:
        answer = await response.json()
        assert response.status == status, answer
        return answer


async def test_a_request_reaches_its_topic_as_it_was_made(api: aiohttp.ClientSession, outbox: Outbox) -> None:
    answer = await post(api, {**JANUARY, "datasets": ["people"], "request_id": "mine"}, 202)
    assert answer == {"request_id": "mine", "run_ids": ["mine"]}
    expected = BackfillRequest(request_id="mine", start=date(2024, 1, 1), end=date(2024, 2, 1), datasets=("people",))
    assert outbox.records == [(BACKFILL_REQUESTS, expected)]


async def test_a_look_back_asks_for_a_poll_of_each_table(api: aiohttp.ClientSession, outbox: Outbox) -> None:
    answer = await post(api, {"mode": "streaming", "since_days": 30, "request_id": "again"}, 202)
    assert answer["run_ids"] == ["again-crashes", "again-vehicles", "again-people"]
    polls = [record for _, record in outbox.records if isinstance(record, PollRequest)]
    assert [poll.run_id for poll in polls] == answer["run_ids"]
    month_ago = datetime.now(UTC) - timedelta(days=30)
    assert all(poll.since and abs(poll.since - month_ago) < timedelta(minutes=5) for poll in polls)
    await post(api, {"mode": "streaming", "datasets": ["crashes"]}, 202)
    last = outbox.records[-1][1]
    assert isinstance(last, PollRequest)
    assert last.since is None


async def test_what_is_left_out_is_filled_in(api: aiohttp.ClientSession, outbox: Outbox) -> None:
    first, second = await post(api, JANUARY, 202), await post(api, JANUARY, 202)
    assert first["request_id"] != second["request_id"]
    ((_, record), _) = outbox.records
    assert isinstance(record, BackfillRequest)
    assert (record.request_id, record.datasets) == (first["request_id"], DATASETS)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({**JANUARY, "end": "2024-01-01"}, "end", "must be after start"),
        ({**JANUARY, "end": "2023-12-01"}, "end", "must be after start"),
        ({**JANUARY, "start": "yesterday"}, "start", "YYYY-MM-DD"),
        ({**JANUARY, "start": 1704067200}, "start", "YYYY-MM-DD"),
        ({**JANUARY, "end": "2024-02-30"}, "end", "YYYY-MM-DD"),
        ({**JANUARY, "datasets": ["crashes", "boats"]}, "datasets.1", "'vehicles'"),
        ({**JANUARY, "datasets": []}, "datasets", "at least 1"),
        ({**JANUARY, "mode": "replay"}, "mode", "'backfill'"),
        ({**JANUARY, "begin": "2024-01-01"}, "begin", "not permitted"),
        ({**JANUARY, "request_id": "a b"}, "request_id", "pattern"),
        ({"mode": "backfill", "end": "2024-02-01"}, "start", "missing"),
        ({"mode": "backfill", "start": "2024-01-01"}, "end", "missing"),
        ({"start": "2024-01-01", "end": "2024-02-01"}, "mode", "required"),
        ({"mode": "streaming", "since_days": 0}, "since_days", "greater than or equal to 1"),
        ({"mode": "streaming", "start": "2024-01-01"}, "start", "goes with mode backfill"),
        ({**JANUARY, "since_days": 3}, "since_days", "goes with mode streaming"),
        ("no json", None, "JSON"),
    ],
)
async def test_a_wrong_body_is_refused_by_field(
    api: aiohttp.ClientSession, outbox: Outbox, body: Any, field: str | None, words: str
) -> None:
    headers = {**BEARER, "Content-Type": "application/json"} if isinstance(body, str) else BEARER
    error = (await post(api, body, 422, headers))["error"]
    assert error["field"] == field
    assert words in error["message"]
    assert error["hint"]
    assert outbox.records == []


@pytest.mark.parametrize(
    "given", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer pässe"]
)
async def test_without_the_token_nothing_is_published(
    api: aiohttp.ClientSession, outbox: Outbox, given: str | None
) -> None:
    headers = {"Authorization": given} if given else {"X-Nothing": "1"}
    answer = await post(api, JANUARY, 401, headers)
    assert answer["error"]["field"] == "Authorization"
    assert outbox.records == []


async def test_without_a_token_set_writing_is_disabled(tmp_path: Path, outbox: Outbox) -> None:
    async with (
        serve_web(nowhere(tmp_path, api_token=None), outbox) as url,
        aiohttp.ClientSession(url) as api,
    ):
        answer = await post(api, JANUARY, 403)
    assert answer["error"]["code"] == "writing-disabled"
    assert "CRASH_API_TOKEN" in answer["error"]["hint"]
    assert outbox.records == []


async def test_without_a_broker_the_caller_is_told_to_try_again(api: aiohttp.ClientSession, outbox: Outbox) -> None:
    outbox.failure = BrokerUnavailable("no Kafka broker answers", hint="check CRASH_KAFKA_BOOTSTRAP")
    answer = await post(api, JANUARY, 503)
    assert answer["error"]["code"] == "broker-unavailable"
    assert answer["error"]["hint"] == "check CRASH_KAFKA_BOOTSTRAP"


async def test_a_crash_leaves_in_the_envelope_and_keeps_its_secrets(api: aiohttp.ClientSession, outbox: Outbox) -> None:
    outbox.failure = RuntimeError("secret inside")
    answer = await post(api, JANUARY, 500)
    assert answer["error"]["code"] == "internal"
    assert answer["request_id"] in answer["error"]["hint"]
    assert "secret" not in str(answer)


async def test_a_request_is_on_the_broker_once_it_is_accepted(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        await declare_topics(broker.bootstrap)
        async with (
            Publisher(broker.bootstrap) as publisher,
            serve_web(nowhere(tmp_path), publisher.publish) as url,
            aiohttp.ClientSession(url) as api,
            consumer(broker.bootstrap, BACKFILL_REQUESTS.name) as reader,
        ):
            answer = await post(api, JANUARY, 202)
            message = await reader.getone()
    record = BackfillRequest.decode(message.value)
    assert record.request_id == answer["request_id"] == message.key.decode()
    assert (record.start, record.end) == (date(2024, 1, 1), date(2024, 2, 1))
