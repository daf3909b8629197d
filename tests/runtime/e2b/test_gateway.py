"""A gateway with a server at E2B, as a person starts it."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.parts.where import Parts
from tests.peers import http_peer
from tests.running import RunningGateway, running_gateway
from tests.runtime.e2b.double import KEY, E2bDouble

ECHO = {"name": "echo", "arguments": {"message": "from afar"}}


@pytest.fixture
async def double() -> AsyncIterator[E2bDouble]:
    async with E2bDouble() as double:
        yield double


def environment(double: E2bDouble) -> dict[str, str]:
    return {
        "E2B_API_KEY": KEY,
        "E2B_API_URL": double.url,
        "E2B_SANDBOX_URL": double.url,
        "E2B_HTTP_VERSION": "1.1",
    }


def document(**of_the_document: Any) -> dict[str, Any]:
    command, *args = Parts.installed().node("server-everything")
    server = {"command": command, "args": [*args, "stdio"], "sandbox": {"runtime": "e2b"}}
    return {"version": 1, "sources": [], "servers": {"far": server}, **of_the_document}


async def echoed(gateway: RunningGateway) -> str:
    async with http_peer(gateway.endpoint("far")) as peer:
        answer = await peer.request("tools/call", ECHO)
        return str(answer.result["content"][0]["text"])


async def test_it_serves_and_what_it_leaves_when_killed_is_ended_by_its_next_start(
    double: E2bDouble, tmp_path: Path
) -> None:
    async with running_gateway(document(), tmp_path, env=environment(double)) as gateway:
        assert "from afar" in await echoed(gateway)
        assert not gateway.children()
        gateway.signal(signal.SIGKILL)
        await gateway.process.wait()
    (left,) = double.sandboxes.values()
    async with running_gateway(document(), tmp_path, env=environment(double)) as gateway:
        await double.until(lambda: left.id not in double.sandboxes)
        assert "from afar" in await echoed(gateway)
    assert not double.sandboxes
    assert KEY not in (tmp_path / "stderr.log").read_text()


async def test_one_that_is_idle_is_ended_there_and_started_again_by_a_call(double: E2bDouble, tmp_path: Path) -> None:
    async with running_gateway(document(life={"idle": 1}), tmp_path, env=environment(double)) as gateway:
        assert "from afar" in await echoed(gateway)
        await double.until(lambda: not double.sandboxes)
        assert "from afar" in await echoed(gateway)
        assert len(double.seen) == 2
