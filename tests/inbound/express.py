"""A gateway that says which calls went without a task, and a client whose every byte is in the hands of the test."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.inbound.far import MODERN, PATIENCE, Heard, Server, hang, server
from toolgate.config.load import Loaded, load
from toolgate.gateway import Gateway
from toolgate.http.listener import Listener
from toolgate.http.request import Request

__all__ = ["Answer", "Client", "House", "begun", "handed_over", "meta", "only_record", "opened", "serving"]


def meta(**more: Any) -> bytes:
    """The `_meta` of a modern client."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return json.dumps({**envelope, **more}).encode()


META: Final = meta()


class Answer:
    """What came for a request. `headers` are all but those that differ each time, which are in `own`."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.status_line, *lines = head.decode().split("\r\n")
        pairs = [tuple(line.split(": ", 1)) for line in lines if line]
        self.own = {name: value for name, value in pairs if name in {"x-request-id", "date"}}
        self.headers = [pair for pair in pairs if pair[0] not in self.own]
        self.body = body

    @property
    def status(self) -> int:
        return int(self.status_line.split(" ")[1])

    @property
    def same(self) -> tuple[str, Any, bytes]:
        """What is the same in the answers to same requests."""
        return self.status_line, self.headers, self.body

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        return [line[6:] for line in self.body.splitlines() if line.startswith(b"data: ")]


class Client:
    """One connection. Every request has the same head, and goes out in one piece with its body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, lines: str) -> None:
        self._reader = reader
        self._writer = writer
        self._path = path
        self._lines = lines

    def request(
        self, key: bytes = b"1", arguments: bytes | None = b"{}", *, meta: bytes = META, name: str = "one__echo",
        more: bytes = b"",
    ) -> bytes:  # fmt: skip
        given = b',"arguments":' + arguments if arguments is not None else b""
        params = b'{"_meta":%b,"name":"%b"%b%b}' % (meta, name.encode(), given, more)
        return self.post(b'{"jsonrpc":"2.0","id":%b,"method":"tools/call","params":%b}' % (key, params), name)

    def post(self, body: bytes, name: str = "one__echo") -> bytes:
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\n"
            f"Content-Type: application/json\r\nMCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\n"
            f"Mcp-Name: {name}\r\n{self._lines}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def send(self, *requests: bytes) -> None:
        self._writer.write(b"".join(requests))

    async def call(self, key: bytes = b"1", arguments: bytes | None = b"{}", **more: Any) -> Answer:
        self.send(self.request(key, arguments, **more))
        return await self.receive()

    async def get(self, target: str) -> Any:
        self.send(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._lines}\r\n".encode())
        answer = await self.receive()
        assert answer.status == 200, answer.body
        return answer.body.decode() if target == "/metrics" else answer.message

    async def head(self) -> bytes:
        """That of the next answer, which `receive` then gives the rest of."""
        async with asyncio.timeout(PATIENCE):
            return (await self._reader.readuntil(b"\r\n\r\n"))[:-4]

    async def receive(self, head: bytes = b"") -> Answer:
        head = head or await self.head()
        async with asyncio.timeout(PATIENCE):
            lower = head.lower()
            if b"\r\ntransfer-encoding: chunked" in lower:
                return Answer(head, await self._chunks())
            length = lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            return Answer(head, await self._reader.readexactly(int(length)))

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()
        return body

    async def ended(self) -> bytes:
        """What comes until the gateway closes the connection."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()

    async def leave(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


class House:
    """A gateway that serves. `took` has, for each request whose head came before, whether it went without a task."""

    def __init__(self, far: Server, file: Path, gateway: Any, listener: Listener, sock: socket.socket) -> None:
        self.far = far
        self.gateway = gateway
        self.listener = listener
        self.took: list[bool] = []
        self.closed = False
        self._file = file
        self._address = sock.getsockname()
        self._take: Callable[[Request], bool] = gateway.app.at_once
        gateway.app.at_once = self._note

    def _note(self, request: Request) -> bool:
        taken = self._take(request)
        self.took.append(taken)
        return taken

    def take_the_long_road(self) -> None:
        """From now on, always."""
        self.gateway.app.at_once = lambda request: False

    async def reload(self, definition: dict[str, Any] | None = None, **settings: Any) -> None:
        """With another document, see `serving`."""
        self._file.write_text(json.dumps(document(self.far, definition, **settings)))
        await self.gateway.reload()

    def upstream(self, name: str = "one") -> Any:
        return self.gateway._pool.get(name)._first

    @property
    def limit(self) -> Any:
        return self.gateway._limit

    @property
    def keys(self) -> Any:
        """The repository's reader in memory, behind the door."""
        return self.gateway.app._authenticate.__self__._keys

    def is_empty(self, name: str = "one", link: Any = None) -> bool:
        """Whether nothing is under way, nor kept of what was."""
        upstream = self.upstream(name)
        link = link or upstream.link
        rows = link.alarms._rows.values() if link is not None else ()
        active = [connection for connection in self.listener.connections if connection._active is not None]
        calls = link._calls if link is not None else ()
        kept = (*calls, *(ringing for row in rows for ringing in row.ends), *active)
        return not kept and not self.limit.under_way and not upstream.under_way

    @asynccontextmanager
    async def client(self, path: str = "/mcp", lines: str = "") -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection(*self._address, limit=2**23)
        client = Client(reader, writer, path, lines)
        try:
            yield client
        finally:
            await client.leave()

    @asynccontextmanager
    async def known(self, path: str = "/mcp", lines: str = "", **call: Any) -> AsyncIterator[Client]:
        """A client whose head came before, over the long road."""
        async with self.client(path, lines) as client:
            answer = await client.call(b"0", **call)
            assert answer.status == 200, answer.body
            self.took.clear()
            yield client

    async def audit(self, name: str = "one") -> list[dict[str, Any]]:
        """All records of a server, oldest first."""
        async with self.client() as client:
            return list((await client.get(f"/api/v1/audit?most=1000&server={name}"))["records"])

    async def close(self, drain: float = 1) -> None:
        if not self.closed:
            self.closed = True
            await self.listener.close(drain)


@asynccontextmanager
async def opened(folder: Path, definition: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[House]:
    """A gateway in front of a server of its own."""
    async with server() as far, serving(folder, far, definition, **settings) as house:
        yield house


def document(far: Server, definition: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return {"version": 1, "sources": [], "servers": {"one": {"url": far.url, **(definition or {})}}, **settings}


def _written(folder: Path, content: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "toolgate.yaml"
    file.write_text(json.dumps(content))
    return file


@asynccontextmanager
async def serving(
    folder: Path, far: Server, definition: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[House]:
    """A gateway in front of this server, `one`, with more in its entry and in the document."""
    file = _written(folder, document(far, definition, **settings))

    def read() -> Loaded:
        return load(file, env={"PATH": os.environ["PATH"]}, home=folder, cwd=folder)

    gateway = await Gateway.open(read(), read=read, state=folder / "state")
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
            await gateway.settled(PATIENCE)
            listener = await Listener.open(gateway.app, sock)
            made = House(far, file, gateway, listener, sock)
            try:
                yield made
            finally:
                await made.close()
    finally:
        await gateway.close(0)


async def begun(house: House, client: Client, *, taken: bool = True, **call: Any) -> Heard:
    """A call under way that nobody has answered yet."""
    house.far.forget()
    house.far.script = hang
    client.send(client.request(b"1", **call))
    heard = await house.far.call()
    assert house.took[-1] is taken
    return heard


async def handed_over(house: House) -> None:
    """A task has taken the one call that is under way."""
    [connection] = [connection for connection in house.listener.connections if connection._active is not None]
    assert connection.task is not None
    await asyncio.sleep(0)


async def only_record(house: House) -> dict[str, Any]:
    """That of the call behind the one that made the head known."""
    _, record = await house.audit()
    return record
