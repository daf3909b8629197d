"""A Streamable HTTP server on the official SDK of the 1.x generation, which knows nothing but the legacy era."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Mount

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

Json = dict[str, Any]
server: Server[Any, Any] = Server("legacy-fixture", "1.2.3", instructions="Call rich.\u2028Then call echo.")
cancelled = 0


async def slow(seconds: float) -> str:
    global cancelled  # noqa: PLW0603  # the state of this program
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        cancelled += 1
        raise
    return f"after {seconds} s"


async def count() -> None:
    context = server.request_context
    token = context.meta.progressToken if context.meta else None
    for step in (1, 2, 3):
        if token is not None:
            await context.session.send_progress_notification(token, step, 3, f"step {step}", str(context.request_id))
        await context.session.send_log_message("info", {"step": step, "text": "\u2028"}, "fixture", context.request_id)


async def call_tool(request: types.CallToolRequest) -> Json:
    arguments = request.params.arguments or {}
    text = ""
    match request.params.name:
        case "echo":
            return {"content": [{"type": "text", "text": "as it came"}], "structuredContent": arguments}
        case "refuses":
            data = {"why": ["because", 9007199254740993], "nested": {"null": None}}
            raise McpError(types.ErrorData(code=-31999, message="refused\u2028here", data=data))
        case "slow":
            text = await slow(float(arguments["seconds"]))
        case "cancellations":
            text = str(cancelled)
        case "big":
            text = "x" * int(arguments["size"])
        case "counts":
            await count()
    return RESULTS.get(request.params.name) or {"content": [{"type": "text", "text": text}]}


async def get_prompt(request: types.GetPromptRequest) -> Json:
    return PROMPT_RESULTS[request.params.name]


async def read_resource(request: types.ReadResourceRequest) -> Json:
    uri = str(request.params.uri)
    if uri not in RESOURCE_RESULTS:
        raise McpError(types.ErrorData(code=-32002, message="no such resource", data={"uri": uri}))
    return RESOURCE_RESULTS[uri]


async def complete(request: types.CompleteRequest) -> Json:
    reference = request.params.ref
    return COMPLETIONS[reference.name if isinstance(reference, types.PromptReference) else str(reference.uri)]


async def set_level(_: types.SetLevelRequest) -> Json:
    return {}


def listing(kind: str, items: list[Json]) -> Callable[[Any], Awaitable[Json]]:
    async def handle(request: Any) -> Json:
        return page(kind, items, request.params.cursor if request.params else None)

    return handle


def answering(request: type[Any], result: type[Any], handle: Callable[[Any], Awaitable[Json]]) -> None:
    async def answer(message: Any) -> types.ServerResult:
        return types.ServerResult(result.model_validate(await handle(message)))

    server.request_handlers[request] = answer


answering(types.ListToolsRequest, types.ListToolsResult, listing("tools", TOOLS))
answering(types.CallToolRequest, types.CallToolResult, call_tool)
answering(types.ListPromptsRequest, types.ListPromptsResult, listing("prompts", PROMPTS))
answering(types.GetPromptRequest, types.GetPromptResult, get_prompt)
answering(types.ListResourcesRequest, types.ListResourcesResult, listing("resources", RESOURCES))
answering(
    types.ListResourceTemplatesRequest, types.ListResourceTemplatesResult, listing("resourceTemplates", TEMPLATES)
)
answering(types.ReadResourceRequest, types.ReadResourceResult, read_resource)
answering(types.CompleteRequest, types.CompleteResult, complete)
answering(types.SetLevelRequest, types.EmptyResult, set_level)

sessions = StreamableHTTPSessionManager(app=server)


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with sessions.run():
        yield


if __name__ == "__main__":
    serve(Starlette(routes=[Mount("/", app=sessions.handle_request)], lifespan=lifespan))
