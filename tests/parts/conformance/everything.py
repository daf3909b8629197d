"""A Streamable HTTP server that has everything the conformance suite asks for, on the official SDK, in either era.

    python -m tests.parts.conformance.everything --era dual|legacy|modern [--port N]

It says on standard output where it listens.
"""

import argparse
import json
import re
import socket
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Final

import mcp_types as types
import uvicorn
from mcp import MCPDeprecationWarning, MCPError
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import ListenHandler

from tests.parts.conformance.announcing import Announcing
from tests.parts.conformance.asking import Asking, Context, InputRequired
from tests.parts.conformance.eras import LegacyOnly, ModernOnly
from tests.parts.conformance.events import RecentEvents
from tests.parts.conformance.offer import (
    COMPLETION,
    ELICIT_CONTEXT,
    PROMPT_RESULTS,
    RESOURCE_CONTENTS,
    RESOURCES,
    TEMPLATES,
    TOOL_RESULTS,
    text,
    user,
)
from tests.parts.conformance.tools import TOOLS as ACTIVE_TOOLS

warnings.simplefilter("ignore", MCPDeprecationWarning)  # the suite tests what is deprecated too

_TEMPLATE: Final = re.compile(r"test://template/(?P<id>[^/]+)/data")
# What the modern era wants in every result, and what may be kept; the SDK takes both away again in the legacy era.
_COMPLETE: Final = {"resultType": "complete"}
_KEEP: Final = {**_COMPLETE, "ttlMs": 60_000, "cacheScope": "public"}
_FRESH: Final = {**_COMPLETE, "ttlMs": 0, "cacheScope": "private"}
_LEGACY_RESOURCE_NOT_FOUND: Final = -32002

Handle = Callable[[Context, Any], Awaitable[Any]]


class Announcer(Server[Any]):
    """The SDK declares `listChanged` in the legacy era only to those who ask for it."""

    def create_initialization_options(self, *_: Any, **__: Any) -> InitializationOptions:
        return super().create_initialization_options(NotificationOptions(True, True, True))


def everything() -> Server[Any]:
    announcing = Announcing()

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> Any:
        if params.name in TOOL_RESULTS:
            return TOOL_RESULTS[params.name]
        if params.name not in ACTIVE_TOOLS:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        words = await ACTIVE_TOOLS[params.name](Asking(context), announcing, params.arguments or {})
        return {"content": [text(words)]}

    async def set_level(context: Context, params: types.SetLevelRequestParams) -> types.EmptyResult:
        announcing.listen_from(context, params.level)
        return types.EmptyResult()

    async def join(ctx: Context, call_next: CallNext) -> HandlerResult:
        announcing.joined(ctx)
        return await call_next(ctx)

    server = Announcer(
        "conformance-fixture",
        version="1.0.0",
        instructions="Made for the conformance suite.",
        on_list_tools=listing("tools", announcing.tools),
        on_call_tool=asking(call_tool),
        on_list_prompts=listing("prompts", announcing.prompts),
        on_get_prompt=asking(get_prompt),
        on_list_resources=listing("resources", RESOURCES),
        on_list_resource_templates=listing("resourceTemplates", TEMPLATES),
        on_read_resource=read_resource,
        on_subscribe_resource=nothing,
        on_unsubscribe_resource=nothing,
        on_subscriptions_listen=ListenHandler(announcing.bus),
        on_completion=complete,
        on_set_logging_level=set_level,
    )
    server.middleware += [join, RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=server.name)]
    return server


def listing(kind: str, items: list[dict[str, Any]]) -> Handle:
    async def answer(_: Context, __: types.PaginatedRequestParams | None) -> Any:
        return {**_KEEP, kind: items}

    return answer


def asking(handle: Handle) -> Handle:
    """With the modern era's way to ask: the request ends, and comes back with the answers."""

    async def answer(context: Context, params: Any) -> Any:
        try:
            return {**_COMPLETE, **await handle(context, params)}
        except InputRequired as required:
            return required.result

    return answer


async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> Any:
    arguments = params.arguments or {}
    match params.name:
        case "test_prompt_with_arguments":
            words = f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'"
            return {"messages": [user(text(words))]}
        case "test_prompt_with_embedded_resource":
            resource = {**RESOURCE_CONTENTS["test://example-resource"], "uri": arguments["resourceUri"]}
            embedded = {"type": "resource", "resource": resource}
            return {"messages": [user(embedded), user(text("Please process the embedded resource above."))]}
        case "test_input_required_result_prompt":
            answers = await Asking(context).ask({"user_context": ELICIT_CONTEXT})
            return {"messages": [user(text(f"Use this context: {json.dumps(answers['user_context'])}"))]}
    if params.name not in PROMPT_RESULTS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    return PROMPT_RESULTS[params.name]


async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> Any:
    uri = str(params.uri)
    if uri in RESOURCE_CONTENTS:
        return {**_FRESH, "contents": [{"uri": uri, **RESOURCE_CONTENTS[uri]}]}
    if match := _TEMPLATE.fullmatch(uri):
        data = {"id": match["id"], "templateTest": True, "data": f"Data for ID: {match['id']}"}
        return {**_FRESH, "contents": [{"uri": uri, "mimeType": "application/json", "text": json.dumps(data)}]}
    code = types.INVALID_PARAMS if Asking(context).modern else _LEGACY_RESOURCE_NOT_FOUND
    raise MCPError(code, "Resource not found", {"uri": uri})


async def complete(_: Context, __: types.CompleteRequestParams) -> Any:
    return {**_COMPLETE, **COMPLETION}


async def nothing(_: Context, __: Any) -> types.EmptyResult:
    return types.EmptyResult()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["dual", "legacy", "modern"], default="dual")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    app: Any = everything().streamable_http_app(event_store=RecentEvents(), retry_interval=50)
    app = {"dual": app, "legacy": LegacyOnly(app), "modern": ModernOnly(app)}[options.era]
    listening = socket.create_server(("127.0.0.1", options.port))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)  # who started us reads it
    # h11, since httptools leaves white space at the end of a header's value (RFC 9110, 5.5)
    config = uvicorn.Config(app, http="h11", log_level="error", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
