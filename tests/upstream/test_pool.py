import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.upstream.conftest import House, child, clean, make_call, stub
from toolgate.errors import ServerUnavailable
from toolgate.model.server import Provenance
from toolgate.model.tool import Kind
from toolgate.upstream.base import State
from toolgate.upstream.fingerprint import fingerprint


async def test_lists_are_read_page_by_page_and_announced(house: House) -> None:
    await house.serve(stub())
    assert len(house.audience.tools("stub")) == 10
    (_, catalogue), *_ = house.audience.catalogues
    assert catalogue.server_info == {"name": "stub", "version": "1"}
    assert catalogue.capabilities["tools"] == {"listChanged": True}


async def test_a_changed_list_is_read_again(house: House) -> None:
    await house.serve(stub())
    await house.call("stub", "add", {"name": "one-more"})
    await house.audience.until(lambda: "one-more" in house.audience.tools("stub"))


async def test_a_dead_server_keeps_its_last_good_catalogue_over_a_restart_of_the_gateway() -> None:
    first = House()
    async with clean(first):
        await first.serve(stub())
    second = House()
    async with clean(second):
        second.notes.known = first.notes.known
        server = stub()
        broken = replace(server, transport=child("stub", "/no/such/program").transport)
        second.notes.known[fingerprint(broken)] = first.notes.known[fingerprint(server)]
        await second.serve(broken)
        assert second.status("stub").state is State.FAILING
        assert len(second.audience.tools("stub")) == 10


async def test_one_list_that_fails_costs_only_itself(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.serve(stub(mode="lopsided"))
    (_, catalogue), *_ = house.audience.catalogues
    assert len(catalogue.of(Kind.TOOLS)) == 10
    assert [item.name for item in catalogue.of(Kind.RESOURCES)] == ["memo://one"]
    assert catalogue.of(Kind.TEMPLATES) == ()
    assert Kind.PROMPTS not in catalogue.items
    assert "the prompts are lost" in caplog.text


async def test_equal_definitions_keep_their_process_and_changed_ones_get_a_new_one(house: House) -> None:
    await house.serve(stub("a"), stub("b"))
    before = {name: (await house.call(name, "echo"))["pid"] for name in "ab"}
    moved = replace(stub("a"), provenance=Provenance("elsewhere"))
    await house.serve(moved, stub("b", env={"NEW": "1"}))
    after = {name: (await house.call(name, "echo"))["pid"] for name in "ab"}
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


async def test_a_replaced_server_finishes_the_calls_that_it_has(house: House) -> None:
    await house.serve(stub())
    call = make_call("stub", "late", {"after": 0.3})
    under_way = asyncio.create_task(house.of("stub").send(call))
    await asyncio.sleep(0)
    await house.serve(stub(mode="modern"))
    assert b"too late" in (await under_way).payload
    states = [status.state for status in house.audience.states]
    assert states.index(State.STOPPED) < len(states) - 1
    assert house.audience.states[-1].state is State.READY


async def test_a_removed_server_is_gone(house: House) -> None:
    await house.serve(stub())
    removed = house.of("stub")
    await house.pool.apply([])
    assert house.pool.get("stub") is None
    with pytest.raises(ServerUnavailable, match="is being stopped"):
        await removed.send(make_call("stub", "echo"))


async def test_calls_under_way_end_with_a_reason_when_the_gateway_stops() -> None:
    async with clean(House()) as house:
        await house.serve(stub())
        under_way = asyncio.create_task(house.call("stub", "slow"))
        await asyncio.sleep(0)
        await house.pool.close(0.1)
        with pytest.raises(ServerUnavailable, match="is being stopped"):
            await under_way


async def test_one_bad_server_delays_no_other() -> None:
    async with clean(House(start_timeout=8)) as house:
        began = time.monotonic()
        await house.pool.apply([*(stub(f"bad{at}", "deaf") for at in range(10)), stub("good")])
        await house.audience.until_state("good", State.READY)
        assert time.monotonic() - began < 5


async def test_a_failing_server_is_tried_again_until_it_starts(house: House, tmp_path: Path) -> None:
    program = tmp_path / "server"
    await house.serve(child("late", str(program)))
    failed = house.status("late")
    assert failed.state is State.FAILING
    assert failed.hint == "correct the path in command"
    assert failed.retry_at is not None
    with pytest.raises(ServerUnavailable, match="does not exist") as down:
        await house.call("late", "echo")
    assert down.value.details.keys() >= {"server", "state", "since", "retry_in"}
    transport = stub().transport
    program.write_text(f"#!/bin/sh\nexec {' '.join(_words(transport))}\n", encoding="utf-8")
    program.chmod(0o755)
    await house.audience.until_state("late", State.READY)
    assert house.status("late").reason == ""
    assert "does not exist" in house.status("late").last_error


def _words(transport: object) -> list[str]:
    command = getattr(transport, "command").text  # noqa: B009  # of either kind
    return [command, *(arg.text for arg in getattr(transport, "args"))]  # noqa: B009


async def test_fifty_servers_start_side_by_side(house: House) -> None:
    began = time.monotonic()
    await house.serve(*(stub(f"s{at}") for at in range(50)))
    assert {status.state for status in house.pool.statuses()} == {State.READY}
    assert time.monotonic() - began < 30


def test_a_fingerprint_follows_the_definition_and_not_its_provenance() -> None:
    server = stub(env={"TOKEN": "pasted-secret"})
    assert fingerprint(server) == fingerprint(replace(server, provenance=Provenance("elsewhere"), timeout=1))
    assert fingerprint(server) != fingerprint(stub(env={"TOKEN": "other"}))
    assert fingerprint(server) != fingerprint(server, b"key")
    assert "pasted-secret" not in fingerprint(server)
