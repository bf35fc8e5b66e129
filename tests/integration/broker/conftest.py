"""The conformance suite runs against any broker: CRASH_TEST_BOOTSTRAP names one, else the embedded one starts."""

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.embedded_broker import CreateTopic, EmbeddedBroker, create_topic


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the broker that is tested."""
    if given := os.environ.get("CRASH_TEST_BOOTSTRAP"):
        yield given
        return
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker") / "data").start()
    yield broker.bootstrap
    assert broker.stop() == 0
    failures = [event for event in broker.events() if event["level"] in ("error", "critical")]
    assert failures == []


@pytest.fixture
def name() -> str:
    """A name for a topic or a group that no other test has."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def topic(bootstrap: str, name: str) -> CreateTopic:
    """Create the test's topic: ``await topic(partitions, cleanup_policy="compact")`` returns its name."""

    async def create(partitions: int = 1, **configs: object) -> str:
        await create_topic(bootstrap, name, partitions, **configs)
        return name

    return create
