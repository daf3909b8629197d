"""HTTP+SSE on both sides of the gateway, with other people's clients and servers at its ends."""

from pathlib import Path

import pytest

from tests.conftest import StartGateway
from tests.parts.where import Parts
from tests.real.clients import CLIENTS, Step, Target
from tests.upstream.test_real import free_port, running

STEPS: list[Step] = [
    ["list_tools"],
    ["call_tool", "echo", {"message": "gr\u00fc\u00df\u2028dich"}],
    ["call_tool", "trigger-long-running-operation", {"duration": 0.2, "steps": 2}],
    ["get_prompt", "args-prompt", {"city": "Oslo"}],
    ["read_resource", "demo://resource/static/document/features.md"],
]


@pytest.mark.parametrize("client", ["python-2-legacy", "python-2", "python-1"])
async def test_a_client_of_the_old_transport_meets_a_server_of_it(
    parts: Parts, start_gateway: StartGateway, client: str, tmp_path: Path
) -> None:
    port = free_port()
    async with running(*parts.node("server-everything"), "sse", port=port, PORT=str(port)):
        gateway = await start_gateway({"version": 1, "servers": {"old": {"url": f"http://127.0.0.1:{port}/sse"}}})
        await gateway.settled("old")
        direct = await CLIENTS[client](parts, Target(f"http://127.0.0.1:{port}/sse"), STEPS, tmp_path)
        through = await CLIENTS[client](parts, Target(f"{gateway.url}/servers/old/sse"), STEPS, tmp_path)
        assert through.version == direct.version
        assert through.answers[1:] == direct.answers[1:]
        named = [[tool["name"] for tool in outcome.answers[0]["result"]["tools"]] for outcome in (direct, through)]
        assert named[0] == named[1]
