"""What every test shares: where real rows may be found, and how hard properties are tried."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two slow cores run the suite too: no deadline, and a number of examples that keeps the whole of it short.
settings.register_profile("suite", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("CRASH_HYPOTHESIS", "suite"))


@pytest.fixture(scope="session")
def real_portal() -> Path:
    """A folder with real rows, {crashes,vehicles,people}.json as the portal serves them; not part of the project."""
    given = os.environ.get("CRASH_REAL_DATA")
    folder = (Path(given) if given else Path(__file__).parents[2] / "shared" / "data") / "portal"
    if not (folder / "crashes.json").exists():
        pytest.skip(f"real rows are not at {folder}; set CRASH_REAL_DATA to the folder above portal/")
    return folder
