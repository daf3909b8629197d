"""The gateway as a client: the suite starts this with the URL of a server of its own, which it then judges.

    python -m tests.conformance.client URL

It puts a gateway in front of that server and uses, through it, everything that the server offers, with the official
SDK's client: first in the modern era, then in the legacy one.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import mcp_types as types
from mcp import Client, MCPError
from mcp.client import ClientRequestContext

from tests.running import RunningGateway, running_gateway

_READY_WITHIN: Final = 20.0  # seconds
_CALL_ENDS_WITHIN: Final = 5  # seconds, so that a call which hangs in both eras ends before the suite's patience does
_GLANCE: Final = 0.02
_VALUES: Final[Mapping[str, Any]] = {"number": 5, "integer": 5, "boolean": True, "string": "us-east1"}
_ECHO: Final = "json_schema_echo"  # wants back the schema of the tool that is listed before it


async def main(url: str) -> None:
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    with tempfile.TemporaryDirectory() as folder:
        config = {"version": 1, "sources": [], "servers": {"peer": {"url": url, "timeout": _CALL_ENDS_WITHIN}}}
        async with running_gateway(config, Path(folder)) as gateway:
            await _ready(gateway)
            for mode in ("auto", "legacy"):
                client = Client(gateway.endpoint("peer"), mode=mode, cache=None, elicitation_callback=accept)
                async with client:
                    await use(client, context.get("toolCalls"))


async def accept(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    """With the defaults; and yes where there is none."""
    schema = getattr(params, "requested_schema", {})
    content = {name: field.get("default", True) for name, field in schema.get("properties", {}).items()}
    return types.ElicitResult(action="accept", content=content)


async def use(client: Client, calls: list[dict[str, Any]] | None) -> None:
    capabilities = client.server_capabilities
    if capabilities.tools is not None:
        tools = (await client.list_tools()).tools
        for name, arguments in _calls(tools) if calls is None else [(it["name"], it["arguments"]) for it in calls]:
            try:
                await client.call_tool(name, arguments)
            except MCPError as error:
                print(f"{name}: {error}", file=sys.stderr)  # not every tool that the suite lists can be called
    if capabilities.resources is not None:
        for resource in (await client.list_resources()).resources:
            await client.read_resource(resource.uri)
    if capabilities.prompts is not None:
        for prompt in (await client.list_prompts()).prompts:
            await client.get_prompt(prompt.name)


def _calls(tools: list[types.Tool]) -> list[tuple[str, dict[str, Any]]]:
    """Each tool with what its schema requires."""
    calls = []
    for tool in tools:
        properties = tool.input_schema.get("properties", {})
        needed = tool.input_schema.get("required", ())
        arguments = {name: _VALUES.get(properties[name].get("type"), {}) for name in needed}
        calls.append((tool.name, {"schema": tools[0].input_schema} if tool.name == _ECHO else arguments))
    return calls


async def _ready(gateway: RunningGateway) -> None:
    """Not `settled`, which waits for something to be offered: some of the suite's servers offer nothing."""
    async with asyncio.timeout(_READY_WITHIN):
        while (await gateway.status())["peer"]["state"] != "ready":  # noqa: ASYNC110  # of another process
            await asyncio.sleep(_GLANCE)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
