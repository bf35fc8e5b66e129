"""The embedded broker as a process: how it starts, refuses to start, and stops."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded_broker import CLIENTS_LEAK, EmbeddedBroker, consumer, create_topic, free_port, producer, read

pytestmark = CLIENTS_LEAK


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "data") as broker:
        yield broker


def refusal(*arguments: str) -> str:
    """Run a broker that cannot start; returns the one line it says."""
    command = [sys.executable, "-m", "streams.local.broker", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


async def test_sigterm_stops_it_cleanly_with_clients_connected(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t")
    async with producer(broker.bootstrap) as sender, consumer(broker.bootstrap, "t", group_id="g") as reader:
        await sender.send_and_wait("t", b"x")
        assert broker.stop() == 0  # within two seconds
        broker.start()
        # They go on. (A client that is stopped while it waits to connect again raises its own cancellation.)
        await sender.send_and_wait("t", b"y")
        async with asyncio.timeout(30):
            while (await reader.getone()).value != b"y":
                pass
    assert [record.value for record in await read(broker.bootstrap, "t")] == [b"x", b"y"]
    assert {event["level"] for event in broker.events()} <= {"info", "warning"}


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal("--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert f"port {port} of 127.0.0.1 is taken" in line


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "data"
    line = refusal("--data-dir", str(directory), "--port", str(free_port()))
    assert f"cannot write to the data directory {directory}" in line


def test_a_second_broker_keeps_off_the_directory(broker: EmbeddedBroker) -> None:
    line = refusal("--data-dir", str(broker.data_dir), "--port", str(free_port()))
    assert "in use by another broker" in line


def test_help_says_what_it_is_for() -> None:
    command = [sys.executable, "-m", "streams.local.broker", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert "not for production" in text
    assert "--data-dir" in text


def test_bytes_that_are_no_request_close_their_connection_only(broker: EmbeddedBroker) -> None:
    for rubbish in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\x04\x7f\xff\0\0",
        b"\0\0\0\x0c\0\x03\0\x01\0\0\0\x07\xff\xff\0\0",
    ):
        with socket.create_connection(("127.0.0.1", broker.port), timeout=5) as connection:
            connection.sendall(rubbish)
            assert connection.recv(1) == b""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=5) as connection:
        # A client newer than this broker asks for versions in one unknown here, and is told which are known.
        connection.sendall(b"\0\0\0\x0b\0\x12\0\x63\0\0\0\x07\xff\xff\0")
        assert connection.recv(10)[4:] == b"\0\0\0\x07\0\x23"
