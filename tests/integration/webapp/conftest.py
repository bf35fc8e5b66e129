"""A Gold filled once, served with the web app to every test of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.integration.webapp.sample import write_sample
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web
from tests.integration.webapp.trained import City, Served, serve_city, trained_city


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "gold.duckdb"
    write_sample(path)
    return path


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
async def api(sample: Path, tmp_path: Path, outbox: Outbox) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the app; Gold is up, and no other part is."""
    async with (
        serve_gold(sample) as served,
        serve_web(nowhere(tmp_path, gold_port=served.port), outbox) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return trained_city(tmp_path_factory)


@pytest.fixture
async def served(city: City, tmp_path: Path) -> AsyncIterator[Served]:
    """The app over a city with two models."""
    async with serve_city(city, tmp_path, trained=True) as served:
        yield served


@pytest.fixture
async def untrained(city: City, tmp_path: Path) -> AsyncIterator[Served]:
    """The app over a city without a model."""
    async with serve_city(city, tmp_path, trained=False) as served:
        yield served
