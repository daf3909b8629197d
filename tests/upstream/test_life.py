"""A server's life: when it runs, when it rests, and who says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.upstream.conftest import House, Inbox, child, clean, make_call, stub
from toolgate.config.model import Life
from toolgate.errors import NoRoom, NotFound, Stopped
from toolgate.model.life import Cause, State, Wish
from toolgate.model.principal import Principal
from toolgate.model.server import Server
from toolgate.upstream.breaker import Circuit

SHORT = 0.15  # seconds
CI = Principal("key:abc", "ci")


@pytest.fixture
async def restless() -> AsyncIterator[House]:
    """Nothing rests by itself for long."""
    async with clean(House(life=Life(idle=SHORT))) as opened:
        yield opened


def tiny(most: int, each: int = 20) -> House:
    return House(life=Life(processes=most, processes_per_owner=each))


async def known(house: House, *servers: Server) -> None:
    """What they offer is remembered from now on."""
    await house.serve(*servers)
    await house.pool.apply([])


async def test_a_server_that_nobody_uses_is_stopped_and_started_again_by_the_next_call(restless: House) -> None:
    await restless.serve(stub())
    first = (await restless.call("stub", "echo"))["pid"]
    idle = await restless.audience.until_state("stub", State.IDLE)
    assert (idle.cause, idle.actor, idle.reason) == (Cause.IDLE, "idle", "")
    assert len(restless.audience.tools("stub")) == 10
    second = (await restless.call("stub", "echo", principal=CI))["pid"]
    assert first != second
    began = [status for status in restless.audience.states if status.cause is Cause.CALLED]
    assert [(status.state, status.actor) for status in began] == [(State.STARTING, "key ci")]
    assert restless.status("stub").actor == "key ci"


async def test_many_calls_of_an_idle_server_start_it_once(restless: House) -> None:
    await restless.serve(stub())
    await restless.audience.until_state("stub", State.IDLE)
    answers = await asyncio.gather(*(restless.call("stub", "echo") for _ in range(50)))
    assert len({answer["pid"] for answer in answers}) == 1


async def test_a_call_under_way_keeps_its_server(restless: House) -> None:
    await restless.serve(stub())
    assert await restless.of("stub").send(make_call("stub", "late", {"after": 4 * SHORT}))
    states = [status.state for status in restless.audience.states]
    assert State.IDLE not in states[: states.index(State.READY) + 1]


async def test_a_subscription_keeps_its_server(restless: House) -> None:
    await restless.serve(stub(mode="watched"))
    heard: list[str] = []

    def hear(uri: str, params: bytes) -> None:
        heard.append(uri)

    await restless.of("stub").subscribe("memo://one", hear, 20)
    assert restless.of("stub").unused_for(asyncio.get_running_loop().time()) is None
    await restless.of("stub").unsubscribe("memo://one", hear)
    await restless.audience.until_state("stub", State.IDLE)


async def test_one_that_is_never_idle_runs_on(restless: House) -> None:
    await restless.serve(stub("a"), replace(stub("b"), idle=float("inf")))
    await restless.audience.until_state("a", State.IDLE)
    assert restless.status("b").state is State.READY


async def test_a_check_does_not_start_an_idle_server(restless: House) -> None:
    await restless.serve(stub())
    await restless.audience.until_state("stub", State.IDLE)
    await restless.pool.check("stub")
    assert restless.status("stub").state is State.IDLE


async def test_a_server_starts_on_use_once_it_is_known_what_it_offers() -> None:
    server = replace(stub(), start="use")
    async with clean(House()) as first:
        await first.serve(server)
        assert first.status("stub").state is State.READY, "nothing was remembered of it"
    async with clean(House()) as second:
        second.notes.known = first.notes.known
        await second.serve(server)
        assert second.status("stub").state is State.IDLE
        assert len(second.audience.tools("stub")) == 10
        assert (await second.call("stub", "echo"))["pid"]


async def test_what_a_person_stops_stays_stopped_until_a_person_starts_it(house: House) -> None:
    await house.serve(stub())
    await house.pool.order("stub", Wish.STOP, "key ci")
    with pytest.raises(Stopped, match=r"server 'stub' was stopped by key ci \(20") as refused:
        await house.call("stub", "echo")
    assert refused.value.hint == "`toolgate start stub` starts it again"
    await house.pool.apply([replace(stub(), timeout=7)])
    await house.of("stub").settled()
    stopped = house.status("stub")
    assert (stopped.state, stopped.cause, stopped.actor) == (State.STOPPED, Cause.ASKED, "key ci")
    await house.pool.order("stub", Wish.START, "local user")
    assert house.status("stub").state is State.READY
    assert await house.call("stub", "echo")
    assert house.halts.by("stub") == ""


async def test_what_is_removed_and_added_again_is_stopped_no_longer(house: House) -> None:
    await house.serve(stub())
    await house.pool.order("stub", Wish.STOP, "local user")
    await house.pool.apply([])
    await house.serve(stub())
    assert house.status("stub").state is State.READY


async def test_a_restart_lets_the_calls_end_and_gives_a_new_process(house: House) -> None:
    await house.serve(stub())
    before = (await house.call("stub", "echo"))["pid"]
    under_way = asyncio.create_task(house.of("stub").send(make_call("stub", "late", {"after": 0.2})))
    await asyncio.sleep(0)
    await house.pool.order("stub", Wish.RESTART, "local user")
    assert b"too late" in (await under_way).payload
    assert (await house.call("stub", "echo"))["pid"] != before


async def test_a_stop_ends_the_further_links_too(house: House) -> None:
    await house.serve(stub())
    asking = make_call("stub", "echo", channel=Inbox(), capabilities=b'{"roots":{}}')
    await house.of("stub").send(asking)
    assert house.of("stub").links == 2
    await house.pool.order("stub", Wish.STOP, "local user")
    assert house.of("stub").links == 0


async def test_an_order_about_nobody_is_refused(house: House) -> None:
    with pytest.raises(NotFound, match="there is no server nobody"):
        await house.pool.order("nobody", Wish.STOP, "local user")


async def test_the_one_idle_for_longest_makes_room() -> None:
    async with clean(tiny(2)) as house:
        await house.serve(stub("a"), stub("b"), stub("c"))
        for name in ("b", "c", "a"):
            assert await house.call(name, "echo")
        states = {status.server.name: status for status in house.pool.statuses()}
        assert [states[name].state for name in "abc"].count(State.READY) == 2
        idle = next(status for status in states.values() if status.state is State.IDLE)
        assert idle.cause is Cause.ROOM


async def test_servers_that_are_known_wait_for_their_first_call_where_there_is_no_room() -> None:
    async with clean(House()) as first:
        await first.serve(stub("a"), stub("b"), stub("c"))
    async with clean(tiny(2)) as house:
        house.notes.known = first.notes.known
        await house.serve(stub("a"), stub("b"), stub("c"))
        await house.audience.until_state("b", State.READY)
        assert [status.state for status in house.pool.statuses()] == [State.READY, State.READY, State.IDLE]
        assert await house.call("c", "echo")


async def test_where_all_are_at_work_a_start_waits_and_is_refused_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with clean(tiny(1)) as house:
        monkeypatch.setattr(house.pool._room, "_patience", 0.3)
        await known(house, stub("a"), stub("b"))
        await house.serve(stub("a"), stub("b"))
        long = asyncio.create_task(house.of("a").send(make_call("a", "late", {"after": 1.5})))
        await house.audience.until_state("a", State.READY)
        with pytest.raises(NoRoom, match="there is no room for it: 1 servers run already, none of them idle") as full:
            await house.call("b", "echo")
        assert "life.processes" in full.value.hint
        await long
        assert await house.call("b", "echo"), "the next call tries again"


async def test_an_owner_has_a_share_of_its_own() -> None:
    async with clean(tiny(10, each=1)) as house:
        theirs = [replace(stub(name), owner="team-a") for name in ("a", "b")]
        await house.serve(*theirs, stub("c"), replace(stub("d"), owner="team-b"))
        ready = [status.server.name for status in house.pool.statuses() if status.state is State.READY]
        assert len(ready) == 3
        assert {"c", "d"} < set(ready)


async def test_what_a_server_writes_beside_the_protocol_goes_to_its_log_without_secrets(house: House) -> None:
    await house.serve(stub(env={"TOKEN": "${TOKEN}"}))
    await house.call("stub", "garbage")
    assert ("stub", "stderr", "stub in mode legacy") in house.lines
    assert [source for _, source, _ in house.lines].count("stdout") >= 1
    assert "hunter2" not in str(house.lines)


async def test_the_breaker_is_open_while_a_server_cannot_be_started(house: House) -> None:
    await house.serve(child("stub", "/no/such/program"))
    failing = await house.audience.until_state("stub", State.FAILING)
    assert failing.circuit in {Circuit.OPEN, Circuit.HALF_OPEN}
