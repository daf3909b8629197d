"""A Streamable HTTP server on the official SDK of today: it speaks both eras, and prefers the modern one."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp import MCPDeprecationWarning, MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from tests.parts.fixture_servers.listening import serve
from tests.parts.fixture_servers.offer import (
    COMPLETIONS,
    PROMPT_RESULTS,
    PROMPTS,
    RESOURCE_RESULTS,
    RESOURCES,
    RESULTS,
    TEMPLATES,
    TOOLS,
    page,
)

warnings.simplefilter("ignore", MCPDeprecationWarning)  # log messages are deprecated, and have to pass all the same

Context = ServerRequestContext[Any]
cancelled = 0


async def slow(seconds: float) -> str:
    global cancelled  # noqa: PLW0603  # the state of this program
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled += 1
        raise
    return f"after {seconds} s"


async def count(context: Context) -> None:
    for step in (1, 2, 3):
        await context.session.report_progress(step, 3, f"step {step}")
        await context.session.send_log_message(
            "info", {"step": step, "text": "\u2028"}, logger="fixture", related_request_id=context.request_id
        )


async def call_tool(context: Context, params: types.CallToolRequestParams) -> Any:
    arguments = params.arguments or {}
    text = ""
    match params.name:
        case "echo":
            return {"content": [{"type": "text", "text": "as it came"}], "structuredContent": arguments}
        case "refuses":
            raise MCPError(
                -31999, "refused\u2028here", {"why": ["because", 9007199254740993], "nested": {"null": None}}
            )
        case "slow":
            text = await slow(float(arguments["seconds"]))
        case "cancellations":
            text = str(cancelled)
        case "big":
            text = "x" * int(arguments["size"])
        case "counts":
            await count(context)
    if params.name in RESULTS:
        return RESULTS[params.name]
    return {"content": [{"type": "text", "text": text}]}


def cursor(params: types.PaginatedRequestParams | None) -> str | None:
    return params.cursor if params else None


async def list_tools(_: Context, params: types.PaginatedRequestParams | None) -> Any:
    return page("tools", TOOLS, cursor(params))


async def list_prompts(_: Context, params: types.PaginatedRequestParams | None) -> Any:
    return page("prompts", PROMPTS, cursor(params))


async def list_resources(_: Context, params: types.PaginatedRequestParams | None) -> Any:
    return page("resources", RESOURCES, cursor(params))


async def list_templates(_: Context, params: types.PaginatedRequestParams | None) -> Any:
    return page("resourceTemplates", TEMPLATES, cursor(params))


async def get_prompt(_: Context, params: types.GetPromptRequestParams) -> Any:
    return PROMPT_RESULTS[params.name]


async def read_resource(_: Context, params: types.ReadResourceRequestParams) -> Any:
    if str(params.uri) not in RESOURCE_RESULTS:
        raise MCPError(-32602, "no such resource", {"uri": str(params.uri)})
    return RESOURCE_RESULTS[str(params.uri)]


async def complete(_: Context, params: types.CompleteRequestParams) -> Any:
    reference = params.ref
    return COMPLETIONS[reference.name if isinstance(reference, types.PromptReference) else str(reference.uri)]


def modern(handle: Callable[[Context, Any], Awaitable[Any]]) -> Callable[[Context, Any], Awaitable[Any]]:
    """With what the modern era wants in every result; the SDK takes it away again in the legacy era."""

    async def framed(context: Context, params: Any) -> Any:
        return {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public", **await handle(context, params)}

    return framed


server: Server[Any] = Server(
    "modern-fixture",
    version="1.2.3",
    title="The modern fixture",
    instructions="Call rich.\u2028Then call echo.",
    on_list_tools=modern(list_tools),
    on_call_tool=modern(call_tool),
    on_list_prompts=modern(list_prompts),
    on_get_prompt=modern(get_prompt),
    on_list_resources=modern(list_resources),
    on_list_resource_templates=modern(list_templates),
    on_read_resource=modern(read_resource),
    on_completion=modern(complete),
)

if __name__ == "__main__":
    serve(server.streamable_http_app())
