import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

COMMAND = StdioServerParameters(command=sys.executable, args=["-m", "toolgate.demo.server"])
Mode = Literal["auto", "legacy"]


@asynccontextmanager
async def connected(mode: Mode) -> AsyncIterator[Client]:
    async with Client(COMMAND, mode=mode, read_timeout_seconds=10) as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_finds_everything(mode: Mode) -> None:
    async with connected(mode) as client:
        assert client.protocol_version == ("2026-07-28" if mode == "auto" else "2025-11-25")
        assert [tool.name for tool in (await client.list_tools()).tools] == ["echo", "add", "now", "countdown"]
        assert [str(it.uri) for it in (await client.list_resources()).resources] == ["demo://welcome"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == ["demo://squares/{number}"]
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["explain"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_gets_what_it_asks_for(mode: Mode) -> None:
    async with connected(mode) as client:
        echoed = await client.call_tool("echo", {"text": "grüße\nall"})
        assert echoed.content == [TextContent(type="text", text="grüße\nall")]
        assert (await client.call_tool("add", {"a": 2, "b": 0.5})).structured_content == {"sum": 2.5}
        berlin = await client.call_tool("now", {"zone": "Europe/Berlin"})
        assert (berlin.structured_content or {})["zone"] == "Europe/Berlin"
        welcome = (await client.read_resource("demo://welcome")).contents[0]
        assert isinstance(welcome, TextResourceContents)
        assert welcome.text.startswith("# It works")
        square = (await client.read_resource("demo://squares/12")).contents[0]
        assert isinstance(square, TextResourceContents)
        assert square.text == "144"
        prompt = await client.get_prompt("explain", {"topic": "gates"})
        assert "gates" in str(prompt.messages[0].content)
        audience = await client.complete(PromptReference(name="explain"), {"name": "audience", "value": "an"})
        assert audience.completion.values == ["an expert"]
        numbers = await client.complete(
            ResourceTemplateReference(uri="demo://squares/{number}"), {"name": "number", "value": "1"}
        )
        assert numbers.completion.values == ["1", "10", "11", "12"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_countdown_reports_its_progress(mode: Mode) -> None:
    steps: list[tuple[float, float | None]] = []

    async def step(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total))

    async with connected(mode) as client:
        result = await client.call_tool("countdown", {"start": 3, "pause": 0.01}, progress_callback=step)
    assert result.content == [TextContent(type="text", text="Lift-off!")]
    assert steps == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_what_cannot_be_done_is_told(mode: Mode) -> None:
    async with connected(mode) as client:
        assert (await client.call_tool("now", {"zone": "Nowhere/Town"})).is_error
        assert (await client.call_tool("countdown", {"start": 0})).is_error
        with pytest.raises(MCPError, match="no tool nothing"):
            await client.call_tool("nothing", {})
        with pytest.raises(MCPError, match="no resource"):
            await client.read_resource("demo://nothing")


def exchange(*messages: dict[str, Any]) -> list[Any]:
    """What the server writes for these messages until its input ends."""
    given = "".join(json.dumps(message) + "\n" for message in messages)
    command = [sys.executable, "-m", "toolgate.demo.server"]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def modern(key: int, method: str, version: str = "2026-07-28") -> dict[str, Any]:
    prefix = "io.modelcontextprotocol/"
    meta = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": key, "method": method, "params": {"_meta": meta}}


def test_an_unknown_revision_is_answered_with_those_that_are_spoken() -> None:
    (answer,) = exchange(modern(1, "server/discover", "2030-01-01"))
    assert answer["error"]["code"] == -32022
    assert answer["error"]["data"]["requested"] == "2030-01-01"
    assert "2026-07-28" in answer["error"]["data"]["supported"]


def test_methods_of_the_other_era_and_requests_of_none_are_refused() -> None:
    answers = exchange(modern(1, "ping"), {"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
    assert [answer["error"]["code"] for answer in answers] == [-32601, -32602]


def test_results_that_may_be_cached_say_so() -> None:
    for answer in exchange(modern(1, "server/discover"), modern(2, "tools/list")):
        assert answer["result"]["resultType"] == "complete"
        assert answer["result"]["ttlMs"] > 0
        assert answer["result"]["cacheScope"] == "public"


def test_nothing_more_is_said_about_a_cancelled_countdown() -> None:
    count = modern(1, "tools/call")
    count["params"] |= {"name": "countdown", "arguments": {"start": 100, "pause": 5}}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    begun = time.monotonic()
    answers = exchange(count, modern(2, "tools/list"), cancel, modern(3, "tools/list"))
    assert [answer["id"] for answer in answers] == [2, 3]
    assert time.monotonic() - begun < 5


def test_what_is_not_json_is_answered_and_survived() -> None:
    command = [sys.executable, "-m", "toolgate.demo.server"]
    given = "nonsense\n\n" + json.dumps(modern(1, "tools/list")) + "\n"
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=20, check=True)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["error"]["code"] == -32700
    assert second["id"] == 1
