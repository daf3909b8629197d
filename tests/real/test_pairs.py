"""Every real client meets servers of both eras through one gateway: it lists, calls, reads, is told and is asked."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from mcp import Client, MCPError
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from tests.parts.where import ROOT, Parts
from tests.peers import stdio_peer
from tests.real.conftest import fixture_server
from tests.running import RunningGateway, clean_environment, running_gateway

_MODERN: Final = "2026-07-28"
_LEGACY: Final = "2025-11-25"
_CONTENT: Final = {"username": "ada", "email": "ada@example.com"}
_WITHIN: Final = 60.0  # seconds for one client to do all that it is asked


@dataclass(frozen=True)
class Offer:
    """What a fixture server has of each kind, and what must come back."""

    call: tuple[str, dict[str, Any], str]
    read: tuple[str, str]
    prompt: tuple[str, dict[str, str], str]
    reports: str
    asks: str = ""


_PLAIN: Final = Offer(
    call=("echo", {"n": 1}, "as it came"),
    read=("fixture://many", "one"),
    prompt=("greet", {"who": "you"}, "Greet this: "),
    reports="counts",
)
_EVERYTHING: Final = Offer(
    call=("test_simple_text", {}, "This is a simple text response for testing."),
    read=("test://static-text", "This is the content of the static text resource."),
    prompt=("test_simple_prompt", {}, "This is a simple prompt for testing."),
    reports="test_tool_with_progress",
    asks="test_elicitation",
)
_SERVERS: Final = {
    "fixture-modern": _PLAIN,
    "fixture-legacy": _PLAIN,
    "everything-modern": _EVERYTHING,
    "everything-legacy": _EVERYTHING,
}


@dataclass(frozen=True)
class Through:
    """The gateway in front of all four, and where what a client needs is installed."""

    gateway: RunningGateway
    parts: Parts

    def url(self, server: str) -> str:
        return self.gateway.endpoint(server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def through(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Through]:
    everything = [sys.executable, "-m", "tests.parts.conformance.everything", "--era"]
    commands = {
        "fixture-modern": [sys.executable, "-m", "tests.parts.fixture_servers.modern_http"],
        "fixture-legacy": parts.python1("tests.parts.mcp1.legacy_http"),
        "everything-modern": [*everything, "modern"],
        "everything-legacy": [*everything, "legacy"],
    }
    async with AsyncExitStack() as stack:
        started = (stack.enter_async_context(fixture_server(command)) for command in commands.values())
        urls = dict(zip(commands, [await url for url in started], strict=True))
        config = {"version": 1, "sources": [], "servers": {name: {"url": url} for name, url in urls.items()}}
        folder = tmp_path_factory.mktemp("pairs")
        gateway = await stack.enter_async_context(running_gateway(config, folder))
        await gateway.settled(*urls)
        yield Through(gateway, parts)


Outcome = dict[str, Any]
Steps = list[list[Any]]
Run = Callable[[Through, str, Steps], Awaitable[Outcome]]


async def _python_2(through: Through, server: str, steps: Steps, *, mode: str) -> Outcome:
    asked: list[str] = []
    answers: list[Any] = []

    async def elicit(context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        asked.append(params.message)
        return ElicitResult(action="accept", content=dict(_CONTENT))

    async with Client(through.url(server), mode=mode, cache=None, elicitation_callback=elicit) as client:
        for operation, *arguments in steps:
            answers.append(await _step(client, operation, arguments))
        return {"version": client.protocol_version, "asked": asked, "answers": answers}


async def _step(client: Client, operation: str, arguments: list[Any]) -> Any:
    seen: list[Any] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append([progress, total, message])

    more = {"progress_callback": note} if operation == "call_tool" else {}
    try:
        result = await getattr(client, operation)(*arguments, **more)
    except MCPError as error:
        return {"error": {"code": error.code, "message": error.message}}
    return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True), "progress": seen}


async def _python_1(through: Through, server: str, steps: Steps) -> Outcome:
    task = {"url": through.url(server), "content": _CONTENT, "steps": steps}
    return await _told(through, through.parts.python1("tests.parts.mcp1.asked"), task)


async def _typescript(through: Through, server: str, steps: Steps, *, generation: int, mode: Any = None) -> Outcome:
    return await _asked(through, {"url": through.url(server), "generation": generation, "mode": mode}, steps)


async def _mcp_remote(through: Through, server: str, steps: Steps) -> Outcome:
    """The relay from npm over stdio, and the SDK of the 1.x generation before it."""
    env = clean_environment(through.gateway.folder)
    return await _asked(through, {"command": _relay(through, server), "env": env, "generation": 1}, steps)


def _relay(through: Through, server: str) -> list[str]:
    relay = through.parts.npm / "node_modules" / "mcp-remote" / "dist" / "proxy.js"
    return ["node", str(relay), through.url(server), "--allow-http", "--transport", "http-only"]


async def _asked(through: Through, task: Mapping[str, Any], steps: Steps) -> Outcome:
    whole = {**task, "packages": str(through.parts.npm), "content": _CONTENT, "steps": steps}
    return await _told(through, ["node", str(ROOT / "tests/parts/npm/asked.cjs")], whole)


async def _inspector(through: Through, server: str, steps: Steps, *, era: str) -> Outcome:
    """One process a step, side by side: that is how its command line works. It has nobody to ask."""
    program = [*through.parts.node("inspector", "clients/launcher/build/index.js"), "--cli", through.url(server)]
    commands = [[*program, "--protocol-era", era, *_flags(step)] for step in steps]
    printed = await asyncio.gather(*(_program(through.gateway.folder, command) for command in commands))
    return {"version": None, "asked": [], "answers": [{"result": json.loads(text)} for text in printed]}


def _flags(step: list[Any]) -> list[str]:
    match step:
        case ["call_tool", name, arguments]:
            return ["--method", "tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments)]
        case ["get_prompt", name, arguments]:
            pairs = [f"{key}={value}" for key, value in arguments.items()]
            return ["--method", "prompts/get", "--prompt-name", name, *(["--prompt-args", *pairs] if pairs else [])]
        case ["read_resource", uri]:
            return ["--method", "resources/read", "--uri", uri]
        case _:
            return ["--method", "tools/list"]


async def _told(through: Through, command: list[str], task: Mapping[str, Any]) -> Outcome:
    outcome: Outcome = json.loads(await _program(through.gateway.folder, command, task))
    return outcome


async def _program(folder: Path, command: list[str], task: Mapping[str, Any] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)},
    )
    try:
        async with asyncio.timeout(_WITHIN):
            out, err = await process.communicate(json.dumps(task).encode() if task else None)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command} ended with {process.returncode}: {err.decode()}{out.decode()}"
    return out.decode()


_CLIENTS: Final[Mapping[str, tuple[Run, str | None]]] = {
    "python-2": (partial(_python_2, mode="auto"), _MODERN),
    "python-2-legacy": (partial(_python_2, mode="legacy"), _LEGACY),
    "python-1": (_python_1, _LEGACY),
    "typescript-1": (partial(_typescript, generation=1), _LEGACY),
    "typescript-2": (partial(_typescript, generation=2, mode="auto"), _MODERN),
    "typescript-2-pinned": (partial(_typescript, generation=2, mode={"pin": _MODERN}), _MODERN),
    "typescript-2-legacy": (partial(_typescript, generation=2, mode="legacy"), _LEGACY),
    "mcp-remote": (_mcp_remote, None),
}
# Of three reports that come at one go. The SDK of TypeScript loses those that it reads together with the answer: over
# HTTP the last one at most, over the pipe of the relay any of them, as it does where the relay stands before the server
# itself. The relay has passed on all three (see below). The server that has everything takes its time.
_REPORTS: Final = {"python-2": 3, "python-2-legacy": 3, "python-1": 3, "mcp-remote": 0}
_ERAS: Final = ("legacy", "auto", "modern")


def _steps(offer: Offer) -> Steps:
    name, arguments, _ = offer.call
    prompt, given, _ = offer.prompt
    asked: Steps = [
        ["list_tools"],
        ["call_tool", name, arguments],
        ["read_resource", offer.read[0]],
        ["get_prompt", prompt, given],
        ["call_tool", offer.reports, {}],
    ]
    return [*asked, ["call_tool", offer.asks, {"message": "Who are you?"}]] if offer.asks else asked


def _judge(offer: Offer, answers: list[Any]) -> None:
    """All but what was reported and asked."""
    assert not [answer for answer in answers if "error" in answer]
    listed, called, read, prompted, reported, *_ = [answer["result"] for answer in answers]
    assert offer.call[0] in {tool["name"] for tool in listed["tools"]}
    assert called["content"][0]["text"] == offer.call[2]
    assert read["contents"][0]["text"] == offer.read[1]
    assert prompted["messages"][0]["content"]["text"].startswith(offer.prompt[2])
    assert reported["content"][0]["type"] == "text"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("server", _SERVERS)
@pytest.mark.parametrize("client", _CLIENTS)
async def test_a_client_of_either_era_uses_a_server_of_either_era(through: Through, client: str, server: str) -> None:
    run, version = _CLIENTS[client]
    offer = _SERVERS[server]
    outcome = await run(through, server, _steps(offer))
    _judge(offer, outcome["answers"])
    if version is not None:
        assert outcome["version"] == version
    reports = outcome["answers"][4]["progress"]
    assert len(reports) >= (2 if offer.asks else _REPORTS.get(client, 2))
    assert reports == sorted(reports)
    if offer.asks:
        assert outcome["asked"] == ["Who are you?"]
        assert "ada@example.com" in outcome["answers"][5]["result"]["content"][0]["text"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("server", _SERVERS)
async def test_the_relay_passes_on_all_reports(through: Through, server: str) -> None:
    env = clean_environment(through.gateway.folder)
    async with stdio_peer(_relay(through, server), env=env) as peer:
        wanted = {"name": _SERVERS[server].reports, "arguments": {}, "_meta": {"progressToken": "t"}}
        answer = await peer.request("tools/call", wanted)
    reports = [said for said in answer.notifications if said["method"] == "notifications/progress"]
    assert [said["params"]["progressToken"] for said in reports] == ["t"] * 3


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("server", _SERVERS)
@pytest.mark.parametrize("era", _ERAS)
async def test_the_inspector_uses_a_server_of_either_era(through: Through, era: str, server: str) -> None:
    offer = _SERVERS[server]
    outcome = await _inspector(through, server, _steps(offer)[:5], era=era)
    _judge(offer, outcome["answers"])
