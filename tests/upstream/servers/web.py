"""An MCP server over Streamable HTTP on aiohttp.web, of either era, that can be told to misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Respond = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class WebServer:
    """`era` decides how it greets. A tool of `tools` answers in its own way; `refusal` answers everything."""

    def __init__(self, era: str = "modern") -> None:
        self.era = era
        self.url = ""
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.sessions: set[str] = set()
        self.refusal: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.tools: dict[str, Respond] = {}
        self.listed: list[dict[str, Any]] = [{"name": "echo", "inputSchema": {"type": "object"}}]
        self.gone = asyncio.Event()
        self.told = asyncio.Event()
        self.streams: list[web.StreamResponse] = []
        self.stream_opened = asyncio.Event()
        self.offers_stream = True
        self._minted = 0

    def heard(self, method: str) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
        return [request for request in self.requests if request[2].get("method") == method]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        message: dict[str, Any] = await request.json() if request.method == "POST" else {}
        self.requests.append((request.method, dict(request.headers), message))
        if self.refusal is not None:
            return await self.refusal(request)
        if request.method == "GET":
            return await self._stream(request)
        if request.method == "DELETE":
            self.sessions.discard(request.headers.get("Mcp-Session-Id", ""))
            return web.Response(status=204)
        if (refused := self._greets(request, message)) is not None:
            return refused
        return await self._serve(request, message)

    def _greets(self, request: web.Request, message: dict[str, Any]) -> web.Response | None:
        method, key = message.get("method"), message.get("id")
        capabilities = {"tools": {"listChanged": True}, "logging": {}}
        if self.era == "modern":
            if method == "server/discover":
                discovered = {"supportedVersions": ["2026-07-28"], "capabilities": capabilities}
                return reply(key, discovered | {"resultType": "complete"})
            return fail(key, -32601, "no such method", 404) if method == "initialize" else None
        if method == "initialize":
            self._minted += 1
            session = f"session-{self._minted}"
            self.sessions.add(session)
            info = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": {"name": "web"}}
            return reply(key, info, {"Mcp-Session-Id": session})
        if request.headers.get("Mcp-Session-Id") not in self.sessions:
            known = "Mcp-Session-Id" in request.headers
            return fail(None, -32001 if known else -32000, "Session not found", 404 if known else 400)
        return None

    async def _serve(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        method, key = message.get("method"), message.get("id")
        if key is None or method is None:
            self.told.set()
            return web.Response(status=202)
        if method == "tools/list":
            return reply(key, {"tools": self.listed})
        if method == "subscriptions/listen":
            return await self._stream(request)
        if method == "tools/call":
            name = message["params"]["name"]
            if name in self.tools:
                return await self.tools[name](request, message)
            return reply(key, {"echo": message["params"]})
        return fail(key, -32601, "no such method", 404 if self.era == "modern" else 200)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if not self.offers_stream:
            return web.Response(status=405)
        response = await open_stream(request)
        self.streams.append(response)
        self.stream_opened.set()
        await self.until_gone()
        return response

    async def until_gone(self) -> None:
        """Hang until the client closes the connection, which cancels the handler."""
        try:
            await asyncio.Event().wait()
        finally:
            self.gone.set()


async def open_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def event(response: web.StreamResponse, message: dict[str, Any], id_: str = "") -> None:
    head = f"id: {id_}\n" if id_ else ""
    data = json.dumps({"jsonrpc": "2.0", **message})
    await response.write(f"{head}data: {data}\n\n".encode())


def reply(key: Any, result: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": key, "result": result}, headers=headers)


def fail(key: Any, code: int, message: str, status: int) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": key, "error": {"code": code, "message": message}}, status=status)


@asynccontextmanager
async def serving(server: WebServer, port: int = 0) -> AsyncIterator[WebServer]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/mcp", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    try:
        yield server
    finally:
        await runner.cleanup()
