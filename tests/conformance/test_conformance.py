"""The official conformance suite in front of and behind the gateway, for every era of the server and every revision."""

from pathlib import Path
from typing import Final

import pytest

from tests.conformance.baseline import allowed, differences
from tests.conformance.fixture import ERAS, gateway_before, running_server
from tests.conformance.suite import REVISIONS, Suite

pytestmark = pytest.mark.timeout(300)

OWN: Final = {"dual": REVISIONS, "legacy": REVISIONS[:-1], "modern": REVISIONS[-1:]}


@pytest.fixture(scope="module")
def suite() -> Suite:
    return Suite.installed()


@pytest.mark.parametrize(("era", "revision"), [(era, revision) for era in ERAS for revision in OWN[era]])
async def test_the_server_passes_everything_of_its_own_eras_directly(suite: Suite, era: str, revision: str) -> None:
    async with running_server(era) as url:
        outcome = await suite.run(url, revision)
    assert {scenario: [str(fault) for fault in faults] for scenario, faults in outcome.items() if faults} == {}


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("era", ERAS)
async def test_only_what_the_baseline_names_fails_through_toolgate(
    suite: Suite, era: str, revision: str, tmp_path: Path
) -> None:
    async with running_server(era) as url, gateway_before(url, tmp_path) as through:
        outcome = await suite.run(through, revision)
    found = differences(outcome, era, revision)
    assert not found, "\n".join(found)


def test_no_excuse_is_made_for_servers_and_clients_of_one_era() -> None:
    assert [(era, revision) for era in ERAS for revision in OWN[era] if allowed(era, revision)] == []
