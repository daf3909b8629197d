"""The official conformance suite's verdict on the gateway as a client, for clients of both eras behind it."""

import pytest

from tests.conformance.baseline import differences
from tests.conformance.suite import CLIENT_SCENARIOS, Suite


@pytest.mark.parametrize(
    ("revision", "scenario"),
    [(revision, scenario) for revision, scenarios in CLIENT_SCENARIOS.items() for scenario in scenarios],
)
async def test_the_gateway_is_the_client_that_the_suite_wants(revision: str, scenario: str) -> None:
    outcome = await Suite.installed().judge("tests.conformance.client", scenario, revision)
    found = differences(outcome, "client", revision)
    assert not found, "\n".join(found)
