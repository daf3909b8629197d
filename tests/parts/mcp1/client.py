"""Do what standard input says with the SDK's client of the 1.x generation; say on standard output what came of it.

Input: `{"url": …}` or `{"command": […]}`, with `"env"` and `"steps": [[operation, argument, …], …]`. Output: the
revision that was agreed on, and for each step the result, or the error, as JSON.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl


@asynccontextmanager
async def streams(task: dict[str, Any]) -> AsyncIterator[tuple[Any, Any]]:
    if task.get("url", "").endswith("/sse"):
        async with sse_client(task["url"]) as (read, write):
            yield read, write
        return
    if "url" in task:
        async with streamable_http_client(task["url"]) as (read, write, _):
            yield read, write
        return
    command, *args = task["command"]
    async with stdio_client(StdioServerParameters(command=command, args=args, env=task["env"])) as (read, write):
        yield read, write


async def step(session: ClientSession, operation: str, *arguments: Any) -> Any:
    seen: list[Any] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append([progress, total, message])

    match operation:
        case "call_tool":
            result: Any = await session.call_tool(arguments[0], arguments[1], progress_callback=note)
        case "read_resource":
            result = await session.read_resource(AnyUrl(arguments[0]))
        case "complete":
            kind = types.PromptReference if "name" in arguments[0] else types.ResourceTemplateReference
            result = await session.complete(kind(**arguments[0]), arguments[1])
        case _:
            result = await getattr(session, operation)(*arguments)
    return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True), "progress": seen}


async def run(task: dict[str, Any]) -> dict[str, Any]:
    answers = []
    async with streams(task) as (read, write), ClientSession(read, write) as session:
        hello = await session.initialize()
        for operation, *arguments in task["steps"]:
            try:
                answers.append(await step(session, operation, *arguments))
            except McpError as error:
                answers.append({"error": {"code": error.error.code, "message": error.error.message}})
    return {"version": hello.protocolVersion, "answers": answers}


if __name__ == "__main__":
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
