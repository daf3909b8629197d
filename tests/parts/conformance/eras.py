"""A server that speaks one era alone: what it does with the requests of the other.

Around the SDK, which serves both eras and has no switch for either.
"""

import json
from typing import Any, Final

from mcp_types import HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LegacyOnly", "ModernOnly"]

_VERSION: Final = b"mcp-protocol-version"


class LegacyOnly:
    """A header that names a revision which this server has never heard of is not looked at.

    So its answer is that of the transport before 2026: 400, since no session was named.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            modern = [(_VERSION, version.encode()) for version in MODERN_PROTOCOL_VERSIONS]
            scope = {**scope, "headers": [header for header in scope["headers"] if header not in modern]}
        await self.app(scope, receive, send)


class ModernOnly:
    """Refuses what does not name a modern revision (2026-07-28, Streamable HTTP, Server Validation)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = dict(scope.get("headers", ())).get(_VERSION, b"").decode("latin-1")
        if scope["type"] != "http" or version in MODERN_PROTOCOL_VERSIONS:
            await self.app(scope, receive, send)
        elif scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        elif version:
            body = await Request(scope, receive).body()
            data = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": version}
            await _refuse(body, UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data)(
                scope, _replay(body), send
            )
        else:
            body = await Request(scope, receive).body()
            await _refuse(body, HEADER_MISMATCH, "MCP-Protocol-Version is missing", None)(scope, _replay(body), send)


def _refuse(body: bytes, code: int, message: str, data: Any) -> Response:
    error = {"code": code, "message": message, **({} if data is None else {"data": data})}
    return JSONResponse({"jsonrpc": "2.0", "id": _id(body), "error": error}, 400)


def _id(body: bytes) -> Any:
    try:
        request = json.loads(body)
    except ValueError:
        return None
    return request.get("id") if isinstance(request, dict) else None


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
