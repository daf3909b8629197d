"""A modern server behind a URL, whose every byte is in the hands of the test."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from msgspec import Raw

__all__ = ["MODERN", "OK", "PATIENCE", "Heard", "Script", "Server", "echo", "hang", "server"]

MODERN: Final = "2026-07-28"
OK: Final = b'{"resultType":"complete","content":[]}'
PATIENCE: Final = 10.0  # seconds for anything to happen
_WEIGHED: Final = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS: Final[Sequence[dict[str, Any]]] = (
    {"name": "echo", "inputSchema": {"type": "object"}},
    {"name": "weigh", "inputSchema": _WEIGHED},
    {
        "name": "region",
        "inputSchema": {"type": "object", "properties": {"r": {"type": "string", "x-mcp-header": "Region"}}},
    },
)


class _Message(msgspec.Struct):
    id: Raw = Raw(b"null")
    method: str = ""
    params: dict[str, Raw] = {}


class Heard:
    """A call that the server got. `key` is its id as it stood on the wire, and so are all `params`."""

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        message = msgspec.json.decode(body, type=_Message)
        self.head = head
        self.body = body
        self.key = bytes(message.id)
        self.method = message.method
        self.params = {name: bytes(raw) for name, raw in message.params.items()}
        self.name = json.loads(self.params.get("name", b'""'))
        self.peer = writer.get_extra_info("peername")
        self._writer = writer
        self._gone = gone

    @property
    def lines(self) -> dict[str, str]:
        return dict(line.split(": ", 1) for line in self.head.decode().split("\r\n")[1:] if line)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def answer(self, body: bytes, status: str = "200 OK", media: str = "application/json") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.write(head.encode() + body)

    def give(self, result: bytes = OK) -> None:
        self.answer(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (self.key, result))

    def begin_stream(self) -> None:
        self.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    def event(self, message: bytes) -> None:
        data = b"data: " + message + b"\n\n"
        self.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end_stream(self) -> None:
        self.write(b"0\r\n\r\n")

    def close(self) -> None:
        self._writer.close()

    async def gone(self) -> None:
        """Wait until the gateway has closed the connection."""
        await asyncio.wait_for(self._gone.wait(), PATIENCE)


Script = Callable[[Heard], Awaitable[None]]


async def echo(call: Heard) -> None:
    call.give(b'{"resultType":"complete","content":[],"echo":%b}' % call.params.get("arguments", b"null"))


async def hang(call: Heard) -> None:
    """The test answers, or nobody does."""


class Server:
    """Modern, behind a URL; `script` answers its calls."""

    def __init__(self) -> None:
        self.tools: list[dict[str, Any]] = list(TOOLS)
        self.script: Script = echo
        self.heard: list[Heard] = []
        self.port = 0
        self._calls: asyncio.Queue[Heard] = asyncio.Queue()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def call(self) -> Heard:
        """The next call that comes."""
        async with asyncio.timeout(PATIENCE):
            return await self._calls.get()

    def forget(self) -> None:
        self.heard.clear()
        self._calls = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        gone = asyncio.Event()
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                body = await reader.readexactly(int(length.partition(b":")[2]))
                await self._take(Heard(head, body, writer, gone))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._serving.discard(task)
            gone.set()
            writer.close()

    async def _take(self, heard: Heard) -> None:
        if heard.method == "server/discover":
            head = {"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}}}
            heard.give(json.dumps(head).encode())
        elif heard.method == "tools/list":
            heard.give(json.dumps({"resultType": "complete", "tools": self.tools}).encode())
        else:
            self.heard.append(heard)
            self._calls.put_nowait(heard)
            await self.script(heard)

    async def close(self) -> None:
        serving = tuple(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # their transports close in the next round


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=512)
    made.port = listening.sockets[0].getsockname()[1]
    async with listening:
        try:
            yield made
        finally:
            await made.close()
