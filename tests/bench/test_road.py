"""The short form of the bench: what a call costs, in multiples of what passing its bytes on costs on the same machine.

The bounds are generous: a call was measured at 2.7 to 3.3 times the CPU of a relay and at 1.9 to 2.4 times its p50, so
they break where the road of a call becomes twice as long. `make bench` has the figures.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.cores import Cores
from bench.document import plain
from bench.gateway import gateway
from bench.load import load_from_here
from bench.measure import Samples, Way, measured
from bench.pipes import stdio_stub
from bench.plan import Plan
from bench.rig import Rig
from bench.scenarios.road import direct_to, gateway_to
from bench.table import middle

SHORT = Plan(rounds=2, seconds=1, starts=1, streams=0, servers=0, large=0)
CPU_OF_RELAY = 6.0
P50_OF_RELAY = 5.0
LISTENS_WITHIN = 2.0  # seconds of processor time, with fifty servers


@dataclass(frozen=True)
class Road:
    ways: tuple[Way, Way]

    async def samples(self, width: int) -> tuple[Samples, Samples]:
        """The gateway's, and the relay's."""
        found = await measured(self.ways, SHORT, width, load_from_here)
        assert not any(taken.failed for taken in found.values())
        return found["gateway"], found["relay"]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(SHORT, tmp_path, Cores.of_this_machine())


@pytest.fixture
async def road(rig: Rig) -> AsyncIterator[Road]:
    async with (
        rig.stub("quick", 20, "modern") as (url, _),
        rig.stub("relay", url, core=rig.cores.measured) as (relayed, relay),
        rig.everything_on({"stub": {"url": url}}) as running,
    ):
        yield Road((gateway_to("gateway", running), direct_to("relay", relayed, relay)))


async def test_a_call_costs_a_few_times_what_passing_its_bytes_on_costs(road: Road) -> None:
    through, relayed = await road.samples(32)
    assert middle(through.cpu) <= CPU_OF_RELAY * middle(relayed.cpu), (through.cpu, relayed.cpu)


async def test_a_call_alone_takes_little_longer_than_one_that_is_only_passed_on(road: Road) -> None:
    through, relayed = await road.samples(1)
    assert middle(through.p50) <= P50_OF_RELAY * middle(relayed.p50), (through.p50, relayed.p50)


async def test_a_gateway_with_fifty_servers_listens_soon(rig: Rig) -> None:
    document = plain({f"stub-{number}": stdio_stub() for number in range(50)})
    async with gateway(document, rig.room("gateway"), rig.cores.measured) as running:
        assert running.child.cpu() <= LISTENS_WITHIN
