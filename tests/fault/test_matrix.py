"""Whatever fails, dies, lags or comes twice: Gold ends equal to a batch over the portal's rows, and nothing is lost."""

import os
from pathlib import Path

import pytest

from streams import delivery
from streams.socrata import client
from tests.fault.matrix.plan import Plan
from tests.fault.matrix.scenario import scenario

# Between them, the few have every kind of fault.
SHORT, LONG = (0, 2, 8, 12, 16, 26), range(200)


def seeds() -> list[int]:
    """`CRASH_SEED` is one seed, or `all`."""
    wanted = os.environ.get("CRASH_SEED", "")
    return [*LONG] if wanted == "all" else [int(wanted)] if wanted else [*SHORT]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long before something is tried again."""
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(delivery, "LONGEST_DELAY", 0.005)
    monkeypatch.setattr(client, "LAG_SECONDS", 0.001)


@pytest.mark.parametrize("seed", seeds())
async def test_gold_is_exact_after_any_faults(seed: int, tmp_path: Path) -> None:
    plan = Plan.draw(seed)
    print(f"CRASH_SEED={seed} make test-faults", plan, sep="\n")
    async with scenario(plan, tmp_path) as running:
        await running.run()
        print(*running.log, *(f"{kind}: {number}" for kind, number in running.faults.happened.items()), sep="\n")
        assert await running.wrong() == []
        assert await running.incomplete() == []
