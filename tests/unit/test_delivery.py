"""A message is handled, held, or buried with its bytes; it is never lost."""

import asyncio
from collections.abc import Sequence

import pytest

from streams import delivery
from streams.delivery import Message, deliver, deliver_batch
from streams.errors import PortalRejected, PortalUnavailable
from streams.publisher import MAX_REQUEST_BYTES
from streams.records import BackfillRequest, DeadLetter, Failed, Record, RunEvent
from streams.topics import Topic

GOOD = b'{"request_id": "a", "start": "2024-01-01", "end": "2024-02-01"}'


class Sent:
    """Stands where the broker is: remembers what was emitted."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def __call__(self, topic: Topic, record: Record) -> None:
        self.records.append(record)

    @property
    def letters(self) -> list[DeadLetter]:
        return [record for record in self.records if isinstance(record, DeadLetter)]


def message(value: bytes | None, offset: int = 0) -> Message:
    return Message("backfill-requests", 1, offset, b"key", value)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.0001)


async def test_a_retriable_error_holds_the_message_until_it_succeeds() -> None:
    attempts = 0

    async def handle(_: BackfillRequest) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 5:
            raise PortalUnavailable("down")

    sent = Sent()
    await deliver(message(GOOD), BackfillRequest, "plan", handle, sent)
    assert attempts == 5
    assert not sent.records


async def test_the_portals_retry_after_is_kept() -> None:
    started = asyncio.get_running_loop().time()
    failures = [PortalUnavailable("later", retry_after=0.2)]

    async def handle(_: BackfillRequest) -> None:
        if failures:
            raise failures.pop()

    await deliver(message(GOOD), BackfillRequest, "plan", handle, Sent())
    assert asyncio.get_running_loop().time() - started >= 0.2


@pytest.mark.parametrize("value", [b"{", None, b"[]", b"\xff\x00"])
async def test_what_is_no_record_is_buried_with_its_bytes(value: bytes | None) -> None:
    """Defect 5: a bad message is dropped without a dead-letter queue."""

    async def handle(_: BackfillRequest) -> None:
        raise AssertionError("never called")

    sent = Sent()
    await deliver(message(value, offset=7), BackfillRequest, "plan", handle, sent)
    (letter,) = sent.letters
    assert (letter.topic, letter.partition, letter.offset, letter.key) == ("backfill-requests", 1, 7, b"key")
    assert (letter.value, letter.error, letter.stage) == (value, "MalformedMessage", "plan")


@pytest.mark.parametrize("error", [PortalRejected("400"), ZeroDivisionError("a defect of ours")])
async def test_what_cannot_succeed_is_buried_and_its_run_told(error: Exception) -> None:
    """Defect 5: a failed job is acknowledged."""

    async def handle(_: BackfillRequest) -> None:
        raise error

    sent = Sent()
    await deliver(message(GOOD), BackfillRequest, "plan", handle, sent)
    (letter,) = sent.letters
    assert (letter.value, letter.run_id, letter.error) == (GOOD, "a", type(error).__name__)
    (told,) = [record for record in sent.records if isinstance(record, RunEvent)]
    assert isinstance(told.event, Failed)
    assert type(error).__name__ in told.event.error


async def test_a_cancelled_message_is_neither_done_nor_buried() -> None:
    async def handle(_: BackfillRequest) -> None:
        raise asyncio.CancelledError

    sent = Sent()
    with pytest.raises(asyncio.CancelledError):
        await deliver(message(GOOD), BackfillRequest, "plan", handle, sent)
    assert not sent.records


async def test_in_a_batch_only_the_culprit_is_buried() -> None:
    handled: list[str] = []

    async def handle(batch: Sequence[BackfillRequest]) -> None:
        if any(request.request_id == "bad" for request in batch):
            raise PortalRejected("400")
        handled.extend(request.request_id for request in batch)

    def named(name: str, offset: int) -> Message:
        return message(BackfillRequest.decode(GOOD).model_copy(update={"request_id": name}).encode(), offset)

    sent = Sent()
    batch = [named("one", 0), named("bad", 1), message(b"{", 2), named("two", 3)]
    await deliver_batch(batch, BackfillRequest, "plan", handle, sent)
    assert handled == ["one", "two"]
    assert [letter.offset for letter in sent.letters] == [1, 2]


async def test_a_message_too_large_for_a_letter_is_cut_and_says_so() -> None:
    """What compresses well can be larger than the topic's limit, and would else never leave its partition."""
    sent = Sent()
    await deliver(message(b"{" + b" " * 30_000_000), BackfillRequest, "plan", handled_by_nobody, sent)
    (letter,) = sent.letters
    assert len(letter.encode()) < MAX_REQUEST_BYTES
    assert "30,000,001 bytes are cut" in letter.message
    await deliver(message(b"{" + b" " * 1_000_000), BackfillRequest, "plan", handled_by_nobody, sent)
    assert len(sent.letters[1].value or b"") == 1_000_001


async def handled_by_nobody(_: BackfillRequest) -> None:
    raise AssertionError
