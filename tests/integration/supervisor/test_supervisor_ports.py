"""Ports that are free, and waiting for those that are not yet taken."""

import asyncio
import socket

import pytest

from streams.errors import LocalError
from streams.local.ports import choose_port, is_open, wait_for_port


@pytest.fixture
def listener() -> socket.socket:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_the_preferred_port_is_chosen_if_it_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert choose_port(port) != port
    listener.close()
    assert choose_port(port) == port


def test_a_port_taken_on_all_addresses_is_taken() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert choose_port(server.getsockname()[1]) != server.getsockname()[1]


def test_a_port_is_promised_once() -> None:
    taken: set[int] = set()
    port = choose_port(0)
    chosen = [choose_port(port, taken=taken) for _ in range(50)]
    assert chosen[0] == port
    assert len(set(chosen)) == 50
    assert taken == set(chosen)


def test_the_twin_of_a_port_is_free_too(listener: socket.socket) -> None:
    twin = listener.getsockname()[1]
    taken: set[int] = set()
    port = choose_port(twin - 100, taken=taken, twin=100)
    assert port != twin - 100
    assert taken == {port, port + 100}


@pytest.mark.parametrize("port", [-5, 70_000])
def test_a_port_that_cannot_be_is_not_chosen(port: int) -> None:
    assert 1024 < choose_port(port) < 65_536


async def test_waiting_for_a_port() -> None:
    port = choose_port(0)
    assert not await is_open("127.0.0.1", port)
    with pytest.raises(LocalError, match=f"127.0.0.1:{port}"):
        await wait_for_port("127.0.0.1", port, timeout=0.2)
    waiting = asyncio.create_task(wait_for_port("127.0.0.1", port))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    async with server:
        await waiting
        assert await is_open("127.0.0.1", port)
