"""How a raw client reaches the gateway: Streamable HTTP, HTTP+SSE, or the standard streams of `toolgate stdio`."""

import asyncio
import io
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
from yarl import URL

from tests.exact import exact
from tests.peers import LEGACY, MODERN
from tests.running import TOOLGATE
from tests.transparency.wording import notification, written
from toolgate.cli.running import RunFile, Running

__all__ = ["LISTEN", "Way", "http_way", "sse_way", "stdio_way"]

LISTEN: Final = '"my listen"'
"""The id of a modern client's `subscriptions/listen`."""

_LONGEST: Final = 64 * 1024 * 1024
_ENDS: Final = 20.0  # seconds for a process whose standard input was closed
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_STANDING: Final = frozenset({
    "notifications/subscriptions/acknowledged", "notifications/resources/updated",
    "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed",
})  # fmt: skip
"""What belongs to no request, and comes on the same stream as what does."""


class Way(Protocol):
    closing_cancels: bool
    """Whether leaving an exchange tells a modern server that it need not go on."""

    def exchange(self, key: str, method: str, params: Mapping[str, Any], body: str) -> AsyncGenerator[bytes]:
        """Send a request; yields what comes for it, its response last."""
        ...

    async def post(self, body: str) -> None:
        """Send what has no answer."""
        ...

    def listening(self, body: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """What belongs to no request. `body` asks for it in the modern era."""
        ...


class _Http:
    """Each message is a POST, whose answer is JSON or a stream."""

    closing_cancels = True

    def __init__(self, http: aiohttp.ClientSession, url: str, era: str) -> None:
        self._http = http
        self._url = url
        self._era = era
        self._session = ""

    async def exchange(self, key: str, method: str, params: Mapping[str, Any], body: str) -> AsyncGenerator[bytes]:
        head = self._head(method)
        if self._era == MODERN and method in _NAMED:
            head["Mcp-Name"] = params[_NAMED[method]]
        async with self._http.post(self._url, data=io.BytesIO(body.encode()), headers=head) as answer:
            self._session = answer.headers.get("Mcp-Session-Id", self._session)
            if answer.content_type == "text/event-stream":
                async for data in _events(answer):
                    yield data
            else:
                yield await answer.read()

    async def post(self, body: str) -> None:
        async with self._http.post(self._url, data=body.encode(), headers=self._head()) as answer:
            assert answer.status == 202, await answer.text()

    @asynccontextmanager
    async def listening(self, body: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if self._era == LEGACY:
            opening = self._http.get(self._url, headers=self._head() | {"Accept": "text/event-stream"})
        else:
            opening = self._http.post(self._url, data=body.encode(), headers=self._head("subscriptions/listen"))
        async with opening as stream:
            assert stream.content_type == "text/event-stream", await stream.text()
            yield _events(stream)

    def _head(self, method: str = "") -> dict[str, str]:
        head = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self._era == MODERN and method:
            head |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if self._era == LEGACY and self._session:
            head |= {"Mcp-Session-Id": self._session, "MCP-Protocol-Version": LEGACY}
        return head


class _OneStream:
    """All that comes arrives on one stream; `send` is the way out. It is `take`n from by a task of its owner."""

    closing_cancels = False

    def __init__(self, send: Callable[[str], Awaitable[None]], era: str) -> None:
        self._send = send
        self._era = era
        self._exchanges: dict[str, asyncio.Queue[bytes]] = {}
        self._standing: asyncio.Queue[bytes] = asyncio.Queue()

    async def post(self, body: str) -> None:
        await self._send(body)

    def take(self, data: bytes) -> None:
        message = exact(data)
        if "method" not in message:
            awaited = self._exchanges.pop(written(message["id"]), None)
            queues = [awaited] if awaited is not None else []  # what was cancelled may be answered all the same
        else:
            queues = [self._standing] if message["method"] in _STANDING else [*self._exchanges.values()]
        for queue in queues:
            queue.put_nowait(data)

    async def exchange(self, key: str, method: str, params: Mapping[str, Any], body: str) -> AsyncGenerator[bytes]:
        queue = self._exchanges[key] = asyncio.Queue()
        try:
            await self.post(body)
            while key in self._exchanges or not queue.empty():
                yield await queue.get()
        finally:
            self._exchanges.pop(key, None)

    @asynccontextmanager
    async def listening(self, body: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if self._era == MODERN:
            await self.post(body)
        yield self._announced()
        if self._era == MODERN:
            await self.post(notification("notifications/cancelled", {"requestId": exact(LISTEN)}))

    async def _announced(self) -> AsyncIterator[bytes]:
        while True:
            yield await self._standing.get()


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in answer.content:
        data = line.removeprefix(b"data:").strip(b" \r\n")
        if data and line.startswith(b"data:"):  # one without any only brings an id
            yield data


def _http_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), read_bufsize=_LONGEST)


@asynccontextmanager
async def http_way(url: str, era: str, folder: Path) -> AsyncIterator[Way]:
    async with _http_session() as http:
        yield _Http(http, f"{url}/mcp", era)


@asynccontextmanager
async def sse_way(url: str, era: str, folder: Path) -> AsyncIterator[Way]:
    async with _http_session() as http, http.get(f"{url}/sse") as stream:
        assert (stream.status, stream.content_type) == (200, "text/event-stream")
        events = _events(stream)
        address = stream.url.join(URL((await anext(events)).decode()))

        async def send(body: str) -> None:
            head = {"Content-Type": "application/json"}
            async with http.post(address, data=io.BytesIO(body.encode()), headers=head) as answer:
                assert answer.status == 202, await answer.text()

        async with _reading(_OneStream(send, era), events) as way:
            yield way


@asynccontextmanager
async def stdio_way(url: str, era: str, folder: Path) -> AsyncIterator[Way]:
    """`toolgate stdio` relays to the gateway that says in the state folder that it runs. Here that file names the door
    of one server, so that this way has the names that the others have."""
    state = folder / url.rpartition("/")[2]
    RunFile(state).write(Running(os.getpid(), url, "", time.time()))
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "TOOLGATE_STATE": str(state)}
    process = await asyncio.create_subprocess_exec(
        TOOLGATE, "stdio", stdin=pipe, stdout=pipe, cwd=state, env=environment, limit=_LONGEST
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin = process.stdin

    async def send(body: str) -> None:
        stdin.write(body.encode() + b"\n")
        await stdin.drain()

    async with _reading(_OneStream(send, era), process.stdout) as way:
        yield way
        stdin.close()
        assert await asyncio.wait_for(process.wait(), _ENDS) == 0


@asynccontextmanager
async def _reading(way: _OneStream, incoming: AsyncIterator[bytes]) -> AsyncIterator[_OneStream]:
    async def read() -> None:
        async for data in incoming:
            way.take(data)

    reading = asyncio.create_task(read())
    try:
        yield way
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
