"""Starts, stops, crashes and kills under load leave nothing behind. The long form: `make lifecycle`."""

from bench.lifecycle import Trial, killed


async def test_servers_that_come_and_go_leave_nothing() -> None:
    outcome = await Trial(operations=60, servers=6, callers=20).run()
    assert outcome.wrong() == []
    assert sum(outcome.operations.values()) == 60
    assert outcome.calls["hello"] > 0


async def test_a_gateway_that_is_killed_leaves_nothing() -> None:
    assert await killed(4) == []
