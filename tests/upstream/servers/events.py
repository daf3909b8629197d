"""An MCP server over HTTP+SSE on aiohttp.web, that can be told to misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Respond = Callable[[dict[str, Any]], Awaitable[None]]


class EventServer:
    """One stream at a time. A tool of `tools` answers in its own way; `opening` is what a stream begins with, and
    `refusals` are the statuses of the next POSTs."""

    def __init__(self) -> None:
        self.url = ""
        self.opening: tuple[str, str] | None = ("endpoint", "/messages?session=%41%2Fb%2B&key={n}")
        self.refusals: list[int] = []
        self.streams_for_posts = False
        self.posts: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.tools: dict[str, Respond] = {}
        self.streams = 0
        self.stream: web.StreamResponse | None = None
        self.cancelled = asyncio.Event()
        self.answered = asyncio.Event()
        self.pinged = asyncio.Event()
        self.opened = asyncio.Event()
        self._end = asyncio.Event()

    def heard(self, method: str) -> list[dict[str, Any]]:
        return [message for _, _, message in self.posts if message.get("method") == method]

    async def open(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET" and not self.streams_for_posts:
            return web.Response(status=405)
        return await self._get(request)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.streams += 1
        self._end = asyncio.Event()
        self.stream = response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.opened.set()
        if self.opening is not None:
            name, data = self.opening
            await self.event(data.format(n=self.streams), name)
        await self._end.wait()
        return response

    def end(self) -> None:
        """Of the stream that is open."""
        self._end.set()

    async def event(self, data: str, name: str = "message") -> None:
        assert self.stream is not None
        await self.stream.write(f"event: {name}\r\ndata: {data}\r\n\r\n".encode())

    async def say(self, **message: Any) -> None:
        await self.event(json.dumps({"jsonrpc": "2.0", **message}))

    async def post(self, request: web.Request) -> web.Response:
        message = await request.json()
        self.posts.append((request.path_qs, dict(request.headers), message))
        if self.refusals:
            return web.Response(status=self.refusals.pop(0))
        await self._take(message)
        return web.Response(status=202, text="Accepted")

    async def _take(self, message: dict[str, Any]) -> None:
        method, key = message.get("method"), message.get("id")
        if method == "ping":
            self.pinged.set()
        capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
        info = {"protocolVersion": "2024-11-05", "capabilities": capabilities, "serverInfo": {"name": "events"}}
        results: dict[str, dict[str, Any]] = {"initialize": info, "tools/list": {"tools": []}, "ping": {}}
        if method == "tools/call" and (tool := self.tools.get(message["params"]["name"])):
            await tool(message)
        elif method == "notifications/cancelled":
            self.cancelled.set()
        elif method is None:
            self.answered.set()
        elif key is not None:
            await self.say(id=key, result=results.get(method, {"echo": message.get("params")}))


@asynccontextmanager
async def serving_events(server: EventServer, port: int = 0) -> AsyncIterator[EventServer]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/sse", server.open)
    app.router.add_post("/messages", server.post)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sse"
    try:
        yield server
    finally:
        await runner.cleanup()
