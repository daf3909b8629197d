"""The upstream side against servers that others wrote."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop

from tests.upstream.conftest import House, Inbox, child, clean, remote, stub
from toolgate.model.tool import Kind
from toolgate.protocol.eras import Era
from toolgate.upstream.base import State

NPM: Final = Path(
    os.environ.get("TOOLGATE_TEST_NPM", str(Path(__file__).parents[2] / ".parts" / "npm" / "node_modules"))
)
EVERYTHING: Final = str(NPM / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js")

SDK_SERVER: Final = """
import sys
from mcp.server import MCPServer
server = MCPServer("sdk")

@server.tool()
def add(a: int, b: int) -> int:
    return a + b

@server.prompt()
def greet(name: str) -> str:
    return f"Hello {name}"

@server.resource("memo://one")
def memo() -> str:
    return "remember"

server.run(transport="streamable-http", port=int(sys.argv[1])) if len(sys.argv) > 1 else server.run(transport="stdio")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(*command: str, port: int, **env: str) -> AsyncIterator[None]:
    """A server that listens on this port, until the end of the block."""
    started = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **env}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            while not await listening(port):
                assert started.returncode is None
        yield
    finally:
        started.kill()
        await started.wait()


async def listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        await asyncio.sleep(0)
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def exercise_everything(house: House, name: str) -> None:
    status = house.status(name)
    assert status.state is State.READY, status
    assert status.era is Era.LEGACY
    catalogue = house.audience.catalogues[-1][1]
    assert {item.name for item in catalogue.of(Kind.TOOLS)} >= {"echo", "get-sum"}
    assert all(catalogue.of(kind) for kind in Kind)
    echoed = await house.call(name, "echo", {"message": "grüezi"})
    assert echoed["content"] == [{"type": "text", "text": "Echo: grüezi"}]
    inbox = Inbox()
    tool = "trigger-long-running-operation"
    await house.call(name, tool, {"duration": 0.5, "steps": 3}, meta={"progressToken": "t"}, channel=inbox)
    progress = [message["params"] for message in inbox.messages if message["method"] == "notifications/progress"]
    assert [step["progress"] for step in progress] == [1, 2, 3]
    assert {step["progressToken"] for step in progress} == {"t"}


async def test_server_everything_over_stdio() -> None:
    async with clean(House()) as house:
        await house.serve(child("everything", "node", [EVERYTHING, "stdio"]))
        await exercise_everything(house, "everything")


def test_the_same_on_uvloop() -> None:
    async def scene() -> None:
        warm = House()  # with the first child uvloop opens what it needs for all others
        await warm.serve(stub())
        await warm.pool.close(1)
        await test_server_everything_over_stdio()

    uvloop.run(scene())


async def test_server_everything_over_http() -> None:
    port = free_port()
    command = ("node", EVERYTHING, "streamableHttp")
    async with running(*command, port=port, PORT=str(port)), clean(House()) as house:
        await house.serve(remote("everything", f"http://127.0.0.1:{port}/mcp"))
        await exercise_everything(house, "everything")


async def exercise_sdk(house: House) -> None:
    assert house.status("sdk").state is State.READY, house.status("sdk")
    assert house.status("sdk").era is Era.MODERN
    assert (await house.call("sdk", "add", {"a": 1, "b": 2}))["structuredContent"] == {"result": 3}
    params: dict[str, Any] = {"name": "sdk__greet", "arguments": {"name": "you"}}
    assert "Hello you" in str(await house.call("sdk", "greet", method="prompts/get", params=params))
    assert "remember" in str(await house.call("sdk", "memo://one", method="resources/read", params={"uri": "x"}))


async def test_a_server_on_the_official_sdk_over_stdio(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SDK_SERVER)
    async with clean(House()) as house:
        await house.serve(child("sdk", sys.executable, [str(script)]))
        await exercise_sdk(house)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_server_on_the_official_sdk_over_http(tmp_path: Path, restarts: bool) -> None:
    script = tmp_path / "server.py"
    script.write_text(SDK_SERVER)
    port = free_port()
    async with clean(House()) as house:
        async with running(sys.executable, str(script), str(port), port=port):
            await house.serve(remote("sdk", f"http://127.0.0.1:{port}/mcp"))
            await exercise_sdk(house)
        if restarts:
            await house.audience.until_state("sdk", State.FAILING)
            async with running(sys.executable, str(script), str(port), port=port):
                await house.audience.until_state("sdk", State.READY)
                await exercise_sdk(house)
