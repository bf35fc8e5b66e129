"""Whatever is asked of the API, it answers as its description says, and never with a 500.

Schemathesis makes up requests from the OpenAPI document, right and wrong ones, `CRASH_EXAMPLES` of each route.
"""

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.running import Running

TOKEN = "a-token-for-the-contract"
EXAMPLES = int(os.environ.get("CRASH_EXAMPLES", "30"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A whole service with models."""
    arguments = ("--portal", "simulated", "--portal-crashes", "4500")
    limits = {"api_reads": "1000000", "api_writes": "1000000"}
    data = tmp_path_factory.mktemp("contract") / "data"
    with Running(data, *arguments, since="all", api_token=TOKEN, **limits) as service:
        service.wait_until("select count(distinct target) = 2 from scores")
        yield f"http://127.0.0.1:{service.services.web_port}"


@pytest.mark.timeout(3600)
def test_every_route_answers_as_it_is_described(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json").exclude(path="/api/events")  # it never ends
    broken = {}
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers(case: schemathesis.Case) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, checks=CHECKS, timeout=60)

        try:
            answers()
        except (Exception, BaseExceptionGroup) as failure:  # all that is broken at once, not the first
            broken[operation.label] = str(failure)[:1500]
    assert not broken, "\n\n".join(f"{label}: {failure}" for label, failure in broken.items())
