"""The store under test: the one that CRASH_TEST_S3_ENDPOINT_URL names, otherwise an embedded one."""

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from streams.storage.objects import S3Objects
from tests.embedded_s3 import Store, embedded_store


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    if endpoint_url := os.environ.get("CRASH_TEST_S3_ENDPOINT_URL"):
        keys = (os.environ[f"CRASH_TEST_S3_{name}"] for name in ("ACCESS_KEY", "SECRET_KEY"))
        yield Store(endpoint_url, *keys)
    else:
        async with embedded_store(tmp_path_factory.mktemp("s3") / "data") as store:
            yield store


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def objects(store: Store) -> AsyncIterator[S3Objects]:
    async with store.client() as objects:
        yield objects


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bucket(objects: S3Objects) -> AsyncIterator[str]:
    """A bucket of this run's own; emptied afterwards, since the store may be somebody's."""
    name = f"crash-test-{uuid4().hex[:12]}"
    await objects.ensure_buckets([name])
    yield name
    await objects.delete(name, [found.key async for found in objects.list(name)])
