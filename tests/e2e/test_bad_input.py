"""Whatever is wrong is said in a line that names it, and the rest goes on."""

import asyncio
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.storage.objects import S3Objects
from tests.e2e.running import Running, command, crash_stream

SOME_CRASHES = ("--portal", "simulated", "--portal-crashes", "300")


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def service(taken: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data_dir = tmp_path_factory.mktemp("service") / "data"
    with Running(data_dir, *SOME_CRASHES, since="all", web_port=str(taken)) as running:
        running.wait_until("select count(*) > 0 from runs where status = 'complete'")
        yield running


def publish(service: Running, topic: str, *values: bytes) -> None:
    """As any Kafka client would."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=service.services.kafka_bootstrap)
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(topic, value)
        finally:
            await producer.stop()

    asyncio.run(send())


def put(service: Running, bucket: str, key: str, body: bytes) -> None:
    """As whoever mends the store would."""

    async def send() -> None:
        services = service.services
        async with S3Objects(services.s3_endpoint_url, services.s3_access_key, services.s3_secret_key) as objects:
            await objects.put(bucket, key, body)

    asyncio.run(send())


def test_a_request_by_any_kafka_client_is_a_backfill_and_bad_ones_beside_it_are_dead_letters(service: Running) -> None:
    """Defects 5 and 9: nothing is dropped, and a run of crashes alone is a run."""
    bad = [
        b"no json",
        b'{"request_id": "reversed", "start": "2024-02-01", "end": "2024-01-01"}',
        b'{"request_id": "unparsable", "start": "2024-02-30", "end": "2024-03-01"}',
        b'{"request_id": "unknown", "start": "2024-01-01", "end": "2024-02-01", "datasets": ["cars"]}',
    ]
    good = b'{"request_id": "by-hand", "start": "2013-01-01", "end": "2030-01-01", "datasets": ["crashes"]}'
    publish(service, "backfill-requests", *bad, good)
    service.wait_until("select count(*) > 0 from runs where run_id = 'by-hand' and status = 'complete'")
    service.wait_until("select count(*) >= 4 from dead_letters")
    letters = service.ask("select * from dead_letters where topic = 'backfill-requests'")
    assert sorted(letter["value"] for letter in letters) == sorted(bad)
    assert {letter["error"] for letter in letters} == {"MalformedMessage"}
    said = {bytes(letter["value"]): letter["message"] for letter in letters}
    assert "end 2024-01-01 must be after start 2024-02-01" in said[bad[1]]
    assert "write it as YYYY-MM-DD" in said[bad[2]]
    assert "'crashes', 'vehicles' or 'people'" in said[bad[3]]
    assert service.ask("select rows_fetched from runs where run_id = 'by-hand'") == [{"rows_fetched": 300}]


@pytest.mark.parametrize("topic", ["crash-pages", "bronze-written", "silver-ready", "run-events"])
def test_a_message_that_is_no_json_is_a_dead_letter_of_its_topic(service: Running, topic: str) -> None:
    publish(service, topic, b"\xff no json")
    service.wait_until(f"select count(*) = 1 from dead_letters where topic = '{topic}'")
    (letter,) = service.ask(f"select * from dead_letters where topic = '{topic}'")
    assert letter["value"] == b"\xff no json"


def test_a_page_whose_object_is_gone_is_a_dead_letter_and_its_run_says_so(service: Running) -> None:
    written = {
        "run_id": "lost",
        "page_id": "crashes/2024-01-01_2024-02-01/00000",
        "dataset": "crashes",
        "bronze_key": "crashes/nowhere.json.gz",
        "month": "2024-01",
    }
    publish(service, "bronze-written", json.dumps(written).encode())
    service.wait_until("select count(*) = 1 from dead_letters where run_id = 'lost'")
    assert service.ask("select error from dead_letters where run_id = 'lost'") == [{"error": "ObjectMissing"}]
    service.wait_until("select failures = 1 from runs where run_id = 'lost'")


def test_a_letter_whose_cause_is_mended_is_replayed_and_its_run_heals(service: Running) -> None:
    (lost,) = service.ask("select * from dead_letters where run_id = 'lost'")
    put(service, "bronze", "crashes/nowhere.json.gz", b"[]")
    name = f"{lost['topic']}/{lost['partition']}/{lost['offset']}"
    data_dir = ("--data-dir", str(service.data_dir))
    shown = crash_stream("dead-letters", "list", "--run", "lost", *data_dir, cwd=service.data_dir.parent)
    assert name in shown.stdout
    assert "ObjectMissing" in shown.stdout
    done = command("dead-letters", "replay", name, *data_dir, cwd=service.data_dir.parent)
    assert (done.exit_code, done.stdout) == (0, "published again: 1\n"), done.stderr
    service.wait_until("select count(*) = 1 from dead_letters where run_id = 'lost' and replayed_at > failed_at")
    service.wait_until("select count(*) = 1 from runs where run_id = 'lost' and failures = 0")
    unknown = command("dead-letters", "replay", "crash-pages/0/99999", *data_dir, cwd=service.data_dir.parent)
    assert unknown.exit_code == 1
    assert "there is no dead letter crash-pages/0/99999" in unknown.stderr


def test_a_row_is_traced_on_the_command_line_and_one_that_is_not_there_is_named(service: Running) -> None:
    (row,) = service.ask("select crash_unit_id from vehicles limit 1")
    arguments = ("lineage", "--data-dir", str(service.data_dir), "vehicles")
    found = crash_stream(*arguments, str(row["crash_unit_id"]), cwd=service.data_dir.parent)
    assert [line.split()[0] for line in found.stdout.splitlines()][:5] == ["gold", "silver", "bronze", "portal", "run"]
    assert "/resource/" in found.stdout
    missing = command(*arguments, "0", cwd=service.data_dir.parent)
    assert missing.exit_code == 1
    assert "no row of vehicles whose crash_unit_id is 0" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--start", "2024-02-01", "--end", "2024-01-01"), "end 2024-01-01 must be after start 2024-02-01"),
        (("--start", "2024-02-30", "--end", "2024-03-01"), "'2024-02-30' is no date; write it as YYYY-MM-DD"),
        (("--start", "2024-02-01", "--end", "2024-03-01", "--dataset", "cars"), "'cars' is not one of 'crashes'"),
        (("--start", "2024-02-01"), "Missing option '--end'"),
        (("--start", "2024-02-01", "--end", "2024-03-01", "--request-id", "my run"), "request_id"),
    ],
)
def test_a_wrong_backfill_is_refused_on_the_command_line(
    service: Running, arguments: tuple[str, ...], says: str
) -> None:
    done = command("backfill", "--data-dir", str(service.data_dir), *arguments, cwd=service.data_dir.parent)
    assert done.exit_code != 0
    assert says in done.stderr


def test_a_wrong_column_is_named(service: Running) -> None:
    url = f"http://127.0.0.1:{service.services.web_port}/api/gold/query?sql=select+colour+from+crashes"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)
    assert refused.value.code == 400
    assert "colour" in json.load(refused.value)["error"]["message"]


def test_a_port_that_is_taken_is_given_way_to(service: Running, taken: int) -> None:
    assert service.services.web_port != taken
    with urllib.request.urlopen(f"http://127.0.0.1:{service.services.web_port}/") as answer:
        assert answer.status == 200


def test_status_and_doctor_find_all_well(service: Running) -> None:
    for name in ("status", "doctor"):
        done = crash_stream(name, "--data-dir", str(service.data_dir), cwd=service.data_dir.parent)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "broker" in done.stdout


def test_a_second_up_on_the_same_data_is_refused(service: Running) -> None:
    done = command("up", "--data-dir", str(service.data_dir), *SOME_CRASHES, cwd=service.data_dir.parent)
    assert done.exit_code == 1
    assert f"already running on {service.data_dir}" in done.stderr


def test_doctor_says_what_to_do_when_nothing_runs(tmp_path: Path) -> None:
    done = command("doctor", cwd=tmp_path, portal_url="http://127.0.0.1:1")
    assert done.exit_code == 1
    assert "CRASH_KAFKA_BOOTSTRAP" in done.stdout
    assert "CRASH_PORTAL_URL" in done.stdout


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"web_port": "http"}, "CRASH_WEB_PORT='http'"),
        ({"since": "yesterday"}, "CRASH_SINCE='yesterday': is a date like 2024-01-31, or the word all"),
        ({"portal_url": "nowhere"}, "CRASH_PORTAL_URL='nowhere'"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    done = command("up", cwd=tmp_path, **settings)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert says in line


@pytest.mark.skipif(os.getuid() != 0 and not Path("/proc").exists(), reason="needs a folder nobody can write to")
def test_an_unwritable_data_directory_is_named() -> None:
    done = crash_stream("up", "--data-dir", "/proc/crash-stream", cwd=Path("/"))
    assert done.returncode == 1
    assert "cannot write to the data directory /proc/crash-stream" in done.stderr
    assert "--data-dir" in done.stderr


def test_a_portal_that_is_not_there_holds_its_run_and_stops_nothing_else(tmp_path: Path) -> None:
    with Running(tmp_path / "data", "--portal", "http://127.0.0.1:1") as service:
        service.wait_ready()
        deadline = time.monotonic() + 60
        while True:
            done = command("doctor", "--data-dir", str(service.data_dir), cwd=tmp_path)
            assert done.exit_code == 1
            # Neither worker nor trainer serves what `up` could see ready: they may yet be joining their groups.
            if "1 of 7" in done.stdout or time.monotonic() > deadline:
                break
            time.sleep(1)  # to ask takes the processor from those that are asked about
        assert "1 of 7 need attention: portal\n" in done.stdout
        assert "check the network and CRASH_PORTAL_URL" in done.stdout
        assert service.stop() < 10
