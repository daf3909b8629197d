"""Clients that are not the bottleneck: requests are bytes made beforehand, answers are searched and not parsed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

from bench.stubs.answers import LEGACY, MODERN

__all__ = ["NO_ID", "Answer", "Caller", "Connection", "call", "connected", "opened"]

NO_ID = "100000000"
"""Where an id goes: what repeats a request replaces it by others of the same length."""

_CLIENT = {"name": "bench", "version": "1"}
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": _CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True)
class Caller:
    """A client of `url`, in one era, with a key where one is needed; `session` is what `opened` learnt."""

    url: str
    era: str = "modern"
    key: str = ""
    session: str = ""

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def request(self, method: str, params: Mapping[str, Any], key: str | None = NO_ID) -> bytes:
        """The whole request as bytes; a notification where `key` is None."""
        message: dict[str, Any] = {"jsonrpc": "2.0"}
        if key is not None:
            message["id"] = int(key)
        message |= {"method": method, "params": dict(params)}
        if self.era == "modern":
            message["params"]["_meta"] = {**params.get("_meta", {}), **_META}
        body = json.dumps(message, separators=(",", ":")).encode()
        head = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        head |= self._era_head(method, params) | {"Content-Length": str(len(body))}
        return self._head("POST", head) + body

    def get(self) -> bytes:
        """Opens the stream of a legacy session."""
        return self._head("GET", {"Accept": "text/event-stream", **self._era_head("", {})})

    def _era_head(self, method: str, params: Mapping[str, Any]) -> dict[str, str]:
        if self.era == "modern":
            named = {"Mcp-Name": params["name"]} if "name" in params else {}
            return {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, **named}
        if method == "initialize":
            return {}
        return {"MCP-Protocol-Version": LEGACY, **({"Mcp-Session-Id": self.session} if self.session else {})}

    def _head(self, verb: str, head: Mapping[str, str]) -> bytes:
        parts = urlsplit(self.url)
        every = {"Host": parts.netloc, **({"Authorization": f"Bearer {self.key}"} if self.key else {}), **head}
        lines = "".join(f"{name}: {value}\r\n" for name, value in every.items())
        return f"{verb} {parts.path} HTTP/1.1\r\n{lines}\r\n".encode()


def call(name: str, text: str = "hello", **more: Any) -> tuple[str, dict[str, Any]]:
    """Method and params of a call of one of the stub's tools."""
    return "tools/call", {"name": name, "arguments": {"text": text}, **more}


@dataclass(frozen=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> str:
        at = self.head.lower().find(b"\r\n" + name.lower() + b":")
        if at < 0:
            return ""
        start = at + len(name) + 3
        stop = self.head.find(b"\r\n", start)
        return self.head[start : stop if stop >= 0 else None].decode().strip()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def succeeded(self) -> bool:
        return self.status == 200 and b'"result":' in self.body and b'"isError":true' not in self.body


class Connection(asyncio.Protocol):
    """One connection that is kept alive, and one request at a time on it. A stream's pieces go to `heard`."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.heard: Callable[[bytes], None] | None = None
        self.closed = False
        self._received = bytearray()
        self._wanted = -1  # bytes of the whole answer; 0: chunked; -1: its head is not here yet
        self._waiting: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of asyncio's

    def data_received(self, data: bytes) -> None:
        if self.heard is not None:
            self.heard(data)
            return
        self._received += data
        if self._wanted < 0 and not self._read_head():
            return
        if self._wanted:
            if len(self._received) < self._wanted:
                return
        elif not self._received.endswith(b"0\r\n\r\n"):
            return
        self._done()

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._received[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            stop = head.find(b"\r\n", at + 2)
            self._wanted = end + 4 + int(head[at + 17 : stop if stop >= 0 else None])
        else:
            self._wanted = 0 if b"chunked" in head else end + 4
        return True

    def _done(self) -> None:
        head, _, body = bytes(self._received).partition(b"\r\n\r\n")
        self._received.clear()
        self._wanted = -1
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(Answer(int(head[9:12]), head, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the connection was closed"))
        if self.heard is not None:
            self.heard(b"")

    def send(self, request: bytes) -> None:
        assert self.transport is not None
        self.transport.write(request)

    async def ask(self, request: bytes) -> Answer:
        """Raises `ConnectionError` where there is none, or no more."""
        if self.closed:
            raise ConnectionError("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self.send(request)
        return await self._waiting

    def close(self) -> None:
        if self.transport is not None and not self.closed:
            self.transport.close()

    @classmethod
    async def open(cls, caller: Caller, source: str = "") -> "Connection":
        """`source` is an address of this machine to come from: one address has some 28,000 ports."""
        loop = asyncio.get_running_loop()
        host, port = caller.place
        _, protocol = await loop.create_connection(cls, host, port, local_addr=(source, 0) if source else None)
        return protocol


@asynccontextmanager
async def connected(caller: Caller) -> AsyncIterator[Connection]:
    connection = await Connection.open(caller)
    try:
        yield connection
    finally:
        connection.close()


async def opened(caller: Caller) -> Caller:
    """A legacy client with a session of its own; a modern one needs none. Raises `AssertionError`."""
    if caller.era == "modern":
        return caller
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
    async with connected(caller) as connection:
        answer = await connection.ask(caller.request("initialize", params))
        assert answer.succeeded, answer
        session = replace(caller, session=answer.header(b"mcp-session-id"))
        answer = await connection.ask(session.request("notifications/initialized", {}, None))
        assert answer.status in {200, 202, 204}, answer
    return session
