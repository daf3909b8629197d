"""Starts, stops, crashes and kills under load leave nothing behind. The long form: `make lifecycle`."""

import pytest

from bench.lifecycle import Trial, killed

RUNTIMES = pytest.mark.parametrize("runtime", ["process", "bubblewrap"])


@RUNTIMES
async def test_servers_that_come_and_go_leave_nothing(runtime: str) -> None:
    outcome = await Trial(operations=60, servers=6, callers=20, runtime=runtime).run()
    assert outcome.wrong() == []
    assert sum(outcome.operations.values()) == 60
    assert outcome.calls["hello"] > 0


@RUNTIMES
async def test_a_gateway_that_is_killed_leaves_nothing(runtime: str) -> None:
    assert await killed(4, runtime) == []
