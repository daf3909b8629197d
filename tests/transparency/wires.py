"""How a scripted server is reached: over the standard streams of a child, over Streamable HTTP, or over HTTP+SSE."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from tests.exact import exact
from tests.transparency.scripted import Scripted, Turn

__all__ = ["http_server", "sse_server", "stdio_server"]

_LONGEST: Final = 64 * 1024 * 1024
_PUMP: Final = Path(__file__).with_name("pump.py")


class _LineWire:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.turns: dict[str, Turn] = {}
        self._writer = writer

    async def send(self, text: str) -> None:
        self._writer.write(text.encode() + b"\n")
        await self._writer.drain()

    async def answer(self, text: str) -> None:
        await self.send(text)


@asynccontextmanager
async def stdio_server(scripted: Scripted) -> AsyncIterator[dict[str, Any]]:
    """The definition that starts it. It may be started several times; all are this one server."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = _LineWire(writer)
        scripted.standing.add(wire)
        try:
            async with asyncio.TaskGroup() as under_way:
                tasks = set()
                async for line in reader:
                    tasks.add(under_way.create_task(scripted.take(exact(line), wire)))
                for task in tasks:
                    task.cancel()
        finally:
            scripted.standing.discard(wire)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=_LONGEST)
    port = server.sockets[0].getsockname()[1]
    async with server:
        pump = {"command": sys.executable, "args": ["-I", "-S", str(_PUMP), str(port)]}
        yield {**pump, "sandbox": {"runtime": "process"}}  # what it pumps comes from the test, behind no wall


class _PostWire:
    """JSON where the answer comes first, an event stream where something else does."""

    def __init__(self, request: web.Request) -> None:
        self.turns: dict[str, Turn] = {}
        self.answered: web.StreamResponse | None = None
        self._request = request
        self._stream: web.StreamResponse | None = None

    async def begin(self) -> web.StreamResponse:
        if self._stream is None:
            self._stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await self._stream.prepare(self._request)
        return self._stream

    async def send(self, text: str) -> None:
        stream = await self.begin()
        await stream.write(b"event: message\ndata: " + text.encode() + b"\n\n")

    async def answer(self, text: str) -> None:
        if self._stream is None:
            self.answered = web.Response(body=text.encode(), content_type="application/json")
            return
        await self.send(text)
        await self._stream.write_eof()
        self.answered = self._stream


class _Site:
    """Turns are found by their ids in all requests, since a cancellation comes in one of its own."""

    def __init__(self, scripted: Scripted) -> None:
        self._scripted = scripted
        self._turns: dict[str, Turn] = {}

    async def post(self, request: web.Request) -> web.StreamResponse:
        message = exact(await request.read())
        wire = _PostWire(request)
        wire.turns = self._turns
        await self._scripted.take(message, wire)
        if wire.answered is None:
            return web.Response(status=202)
        if message["method"] == "initialize":
            wire.answered.headers["Mcp-Session-Id"] = f"session-{next(self._scripted.numbers)}"
        return wire.answered

    async def get(self, request: web.Request) -> web.StreamResponse:
        wire = _PostWire(request)
        stream = await wire.begin()
        self._scripted.standing.add(wire)
        try:
            await asyncio.Event().wait()
        finally:
            self._scripted.standing.discard(wire)
        return stream

    async def delete(self, _: web.Request) -> web.Response:
        return web.Response(status=204)


@asynccontextmanager
async def http_server(scripted: Scripted) -> AsyncIterator[dict[str, Any]]:
    site = _Site(scripted)
    async with _served(web.post("/mcp", site.post), web.get("/mcp", site.get), web.delete("/mcp", site.delete)) as url:
        yield {"url": f"{url}/mcp"}


class _EventWire(_PostWire):
    """One stream for all, so an answer is one more event on it."""

    async def answer(self, text: str) -> None:
        with suppress(ConnectionError):
            await self.send(text)


class _OldSite:
    """HTTP+SSE of 2024-11-05: a POST is taken at once, and answered on the stream that named its address."""

    def __init__(self, scripted: Scripted) -> None:
        self._scripted = scripted
        self._streams: dict[str, tuple[_EventWire, asyncio.TaskGroup]] = {}

    async def get(self, request: web.Request) -> web.StreamResponse:
        wire, name = _EventWire(request), f"stream-{next(self._scripted.numbers)}"
        stream = await wire.begin()
        self._scripted.standing.add(wire)
        try:
            async with asyncio.TaskGroup() as under_way:
                self._streams[name] = wire, under_way
                await stream.write(f"event: endpoint\ndata: /messages/{name}\n\n".encode())
                await asyncio.Event().wait()
        finally:
            self._scripted.standing.discard(wire)
            del self._streams[name]
        return stream

    async def post(self, request: web.Request) -> web.Response:
        wire, under_way = self._streams[request.match_info["name"]]
        message = exact(await request.read())
        under_way.create_task(self._scripted.take(message, wire))
        return web.Response(status=202)


@asynccontextmanager
async def sse_server(scripted: Scripted) -> AsyncIterator[dict[str, Any]]:
    site = _OldSite(scripted)
    async with _served(web.get("/sse", site.get), web.post("/messages/{name}", site.post)) as url:
        yield {"url": f"{url}/sse"}


@asynccontextmanager
async def _served(*routes: web.RouteDef) -> AsyncIterator[str]:
    application = web.Application(client_max_size=_LONGEST)
    application.add_routes(routes)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        with suppress(asyncio.CancelledError):
            await runner.cleanup()
