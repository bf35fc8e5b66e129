"""Records refuse what is wrong and name the field; what they encode they decode."""

from datetime import date

import pytest

from streams.errors import MalformedMessage
from streams.records import BackfillRequest, CrashPage, Cursor, DeadLetter, Fetched, RunEvent


@pytest.mark.parametrize(
    ("value", "field", "says"),
    [
        (b"no json", None, "Invalid JSON"),
        (b"[1]", None, "object"),
        (None, None, "no value"),
        (b"\xff\xfe", None, "Invalid JSON"),
        (b'{"request_id": "a", "start": "2024-02-01", "end": "2024-01-01"}', None, "must be after start"),
        (b'{"request_id": "a", "start": "2024-02-01", "end": "2024-02-01"}', None, "must be after start"),
        (b'{"request_id": "a", "start": "2024-02-30", "end": "2024-03-01"}', "start", "YYYY-MM-DD"),
        (b'{"request_id": "a", "start": "2024-02-01", "end": "soon"}', "end", "YYYY-MM-DD"),
        (b'{"request_id": "a", "start": 1704067200, "end": "2024-03-01"}', "start", "YYYY-MM-DD"),
        (b'{"request_id": "a", "end": "2024-03-01"}', "start", "required"),
        (b'{"start": "2024-02-01", "end": "2024-03-01"}', "request_id", "required"),
        (b'{"request_id": "a b", "start": "2024-02-01", "end": "2024-03-01"}', "request_id", "pattern"),
        (b'{"request_id": "a", "start": "2024-02-01", "end": "2024-03-01", "datasets": []}', None, "empty"),
        (
            b'{"request_id": "a", "start": "2024-02-01", "end": "2024-03-01", "datasets": ["cars"]}',
            "datasets.0",
            "'crashes', 'vehicles' or 'people'",
        ),
    ],
)
def test_a_wrong_request_is_refused_with_its_field(value: bytes | None, field: str | None, says: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        BackfillRequest.decode(value)
    assert refused.value.field == field
    assert says in str(refused.value)


def test_a_request_needs_neither_datasets_nor_kind_and_may_bring_more() -> None:
    request = BackfillRequest.decode(
        b'{"request_id": "mine", "start": "2024-01-01", "end": "2024-02-01", "note": "for the mayor"}'
    )
    assert request.datasets == ("crashes", "vehicles", "people")
    assert request.start == date(2024, 1, 1)


def test_a_page_id_names_its_place_and_not_its_run_or_attempt() -> None:
    page = CrashPage(run_id="r", dataset="people", start=date(2024, 1, 1), end=date(2024, 2, 1), number=3)
    assert page.page_id == "people/2024-01-01_2024-02-01/00003"


@pytest.mark.parametrize(
    "record",
    [
        CrashPage(
            run_id="r",
            dataset="people",
            start=date(2024, 1, 1),
            end=date(2024, 2, 1),
            after=Cursor(updated_at="2024-01-01T00:00:00.000Z", row_id="row-a"),
        ),
        RunEvent(
            run_id="r",
            event=Fetched(
                page_id="p",
                dataset="crashes",
                start=date(2024, 1, 1),
                end=date(2024, 2, 1),
                number=0,
                last=True,
                bronze_key="k",
                request="http://portal/resource",
                rows=1,
                size=2,
                months=("2024-01",),
            ),
        ),
        DeadLetter(topic="t", partition=0, offset=1, stage="plan", error="E", message="m", value=b"\xff\x00\n"),
    ],
)
def test_records_survive_the_wire(record: CrashPage | RunEvent | DeadLetter) -> None:
    assert type(record).decode(record.encode()) == record
