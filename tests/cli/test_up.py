"""`toolgate up` as a process, and the other commands beside it."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.conftest import StartGateway
from tests.running import TOOLGATE, RunningGateway, clean_environment

DEMO = {"command": sys.executable, "args": ["-m", "toolgate.demo.server"]}
CONFIG: dict[str, Any] = {"version": 1, "servers": {"one": DEMO}}


async def typed(folder: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command of the same person, in another terminal."""
    process = await asyncio.create_subprocess_exec(
        TOOLGATE,
        *words,
        env={**clean_environment(folder), **variables},
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something in another process, which cannot wake us."""
    async with asyncio.timeout(20):
        while True:
            if await look():
                return
            await asyncio.sleep(0.02)


async def line(gateway: RunningGateway, start: str) -> str:
    """Wait until it has printed a line that begins so."""

    async def printed() -> bool:
        return any(said.startswith(start) for said in gateway.output)

    await until(printed)
    return next(said for said in gateway.output if said.startswith(start))


async def test_it_says_what_it_serves_and_how_to_connect(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await line(gateway, "  toolgate call")
    assert gateway.output == [
        "1 server: 1 from toolgate.yaml",
        f"listening on {gateway.url}/mcp",
        "one: ready, 4 tools, 1 prompt, 2 resources (modern)",
        "1 of 1 server ready, 4 tools",
        "connect a client:",
        f"  Claude Code  claude mcp add --transport http toolgate {gateway.url}/mcp",
        f'  Cursor       {{"mcpServers": {{"toolgate": {{"url": "{gateway.url}/mcp"}}}}}}',
        "next, in another terminal:",
        "  toolgate status",
        "  toolgate tools",
        "  toolgate call TOOL key=value",
    ]


async def test_without_any_server_it_serves_the_demonstration(start_gateway: StartGateway) -> None:
    gateway = await start_gateway({"version": 1})
    assert "demonstration" in await line(gateway, "no servers")
    await gateway.settled("demo")
    assert await typed(gateway.folder, "call", "demo__echo", "text=hello") == (0, "hello\n", "")


async def test_the_other_commands_find_the_running_gateway(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    _, out, _ = await typed(gateway.folder, "status")
    assert out.splitlines()[1].split() == ["SERVER", "SOURCE", "STATE", "ERA", "TOOLS", "LATENCY", "LAST", "ERROR"]
    assert out.splitlines()[2].split()[:5] == ["one", "toolgate.yaml", "ready", "modern", "4"]
    _, out, _ = await typed(gateway.folder, "tools", "one", "--json")
    assert {tool["name"] for tool in json.loads(out)["tools"]} > {"one__echo", "one__add", "one__now"}
    _, out, _ = await typed(gateway.folder, "call", "one__add", "a=2", "--json", '{"b": 0.5}', "--output", "json")
    assert json.loads(out)["structuredContent"] == {"sum": 2.5}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["one__now", "zone=Nowhere"], 5, "no time zone"),
        (["one__ehco", "text=x"], 1, "did you mean one__echo?"),
        (["echo", "text=x"], 1, "did you mean one__echo?"),
        (["one__echo"], 1, "missing: text"),
        (["one__countdown", "start=soon"], 1, "start must be integer"),
    ],
)
async def test_a_call_that_goes_wrong_says_how(
    start_gateway: StartGateway, words: list[str], code: int, says: str
) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    ended, out, errors = await typed(gateway.folder, "call", *words)
    assert ended == code
    assert says in out + errors


async def test_its_run_file_is_private_and_goes_with_it(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    file = gateway.folder / "state" / "run.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["url"] == gateway.url
    await gateway.stop()
    assert not file.exists()
    assert (await typed(gateway.folder, "status"))[0] == 3


async def test_a_second_one_is_told_of_the_first(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    port = gateway.url.rpartition(":")[2]
    code, _, errors = await typed(gateway.folder, "up", "--port", port)
    assert code == 1
    assert f"Toolgate is already running at {gateway.url}" in errors


async def test_keys_open_a_gateway_that_asks_for_them(start_gateway: StartGateway) -> None:
    gateway = await start_gateway({**CONFIG, "access": {"anonymous": "never"}})
    _, key, _ = await typed(gateway.folder, "keys", "create", "laptop")
    os.unlink(gateway.folder / "state" / "run.json")  # else its own token opens
    asked = ("tools", "--url", gateway.url)
    assert (await typed(gateway.folder, *asked))[0] == 1

    async def opens() -> bool:
        return (await typed(gateway.folder, *asked, TOOLGATE_KEY=key.strip()))[0] == 0

    async def is_refused() -> bool:
        return not await opens()

    await until(opens)
    await typed(gateway.folder, "keys", "revoke", "laptop")
    await until(is_refused)


async def test_listening_to_everybody_without_keys_is_refused(tmp_path: Path) -> None:
    code, out, errors = await typed(tmp_path, "up", "--host", ".".join("0000"), "--port", "0")
    assert (code, "keys create" in errors) == (4, True)
    assert "listening" not in out


async def test_a_changed_file_is_served_and_a_broken_one_is_not(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled("one")
    file = gateway.folder / "toolgate.yaml"
    file.write_text(json.dumps({**CONFIG, "servers": {"one": DEMO, "two": DEMO}}, indent=2))
    await line(gateway, "reloaded: 2 servers")
    await gateway.settled("one", "two")
    file.write_text("version: 1\ntimeout: soon\n")
    gateway.signal(signal.SIGHUP)
    told = await line(gateway, "! the new configuration is not used")
    assert f"{file}:2: timeout" in told
    assert set(await gateway.status()) == {"one", "two"}
    assert f"{file}:2: timeout" in gateway.errors()


async def test_a_second_signal_does_not_wait_for_calls(start_gateway: StartGateway) -> None:
    gateway = await start_gateway({**CONFIG, "drain": 60, "timeout": 60})
    await gateway.settled()
    calling = asyncio.create_task(typed(gateway.folder, "call", "one__countdown", "start=10", "pause=5"))

    async def is_under_way() -> bool:
        return bool((await gateway.status())["one"]["calls"])

    await until(is_under_way)
    gateway.signal(signal.SIGINT)
    await line(gateway, "stopping")
    gateway.signal(signal.SIGINT)
    assert await asyncio.wait_for(gateway.process.wait(), 10) == 130
    assert (await calling)[0] != 0


@asynccontextmanager
async def over_stdio(folder: Path, *words: str) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=TOOLGATE, args=["stdio", *words], env=clean_environment(folder), cwd=folder)
    async with Client(server, read_timeout_seconds=20) as client:
        yield client


async def test_stdio_relays_to_the_running_gateway(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    async with over_stdio(gateway.folder) as client:
        assert (await client.call_tool("one__add", {"a": 1, "b": 2})).structured_content == {"sum": 3}
    assert (await gateway.status())["one"]["calls"] >= 1


async def test_stdio_opens_a_gateway_where_none_runs(tmp_path: Path) -> None:
    (tmp_path / "toolgate.yaml").write_text(json.dumps(CONFIG))
    async with over_stdio(tmp_path) as client:

        async def has_tools() -> bool:
            return bool((await client.list_tools(cache_mode="bypass")).tools)

        await until(has_tools)
        assert (await client.call_tool("one__add", {"a": 1, "b": 2})).structured_content == {"sum": 3}


async def test_a_call_without_a_gateway_starts_only_the_server_that_it_needs(tmp_path: Path) -> None:
    servers = {"one": DEMO, "bad": {"command": "there-is-no-such-command"}}
    (tmp_path / "toolgate.yaml").write_text(json.dumps({"version": 1, "servers": servers}))
    code, out, errors = await typed(tmp_path, "call", "one__add", "a=1", "b=2")
    assert (code, out) == (0, "3\n")
    assert errors.startswith("no gateway is running")
    assert "bad" not in errors
    code, out, errors = await typed(tmp_path, "tools")
    assert "one__add" in out
    assert "bad: failing: there-is-no-such-command is not on PATH" in errors


async def test_the_doctor_names_the_step_that_fails(start_gateway: StartGateway) -> None:
    gateway = await start_gateway({**CONFIG, "servers": {"one": DEMO, "bad": {"command": "there-is-no-such-command"}}})
    folder = gateway.folder
    code, out, _ = await typed(folder, "doctor", "one", "--json")
    assert code == 0
    assert [step["step"] for step in json.loads(out)["steps"]] == ["command", "start", "era", "capabilities"]
    code, out, _ = await typed(folder, "doctor", "bad", "--json")
    failed = json.loads(out)["steps"][-1]
    assert (code, failed["step"], failed["ok"]) == (1, "command", False)
    code, out, _ = await typed(folder, "doctor", f"{gateway.url}/mcp", "--json")
    assert [step["step"] for step in json.loads(out)["steps"]] == ["dns", "tcp", "era", "capabilities", "auth"]
    code, out, _ = await typed(folder, "doctor", f"{gateway.url}/nothing", "--json")
    assert (code, json.loads(out)["steps"][-1]["step"]) == (1, "era")
    code, out, _ = await typed(folder, "doctor", "http://127.0.0.1:9/mcp", "--json")
    assert (code, json.loads(out)["steps"][-1]["step"]) == (1, "tcp")
