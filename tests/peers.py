"""MCP clients of a hundred lines, for comparison: they send what they are told, and give back the JSON as it came.

The official SDKs parse into models, which drop what they do not know, so they cannot show that nothing was lost.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from tests.exact import Number, exact

__all__ = ["LEGACY", "MODERN", "Answer", "Greeting", "HttpPeer", "Peer", "StdioPeer", "http_peer", "stdio_peer"]

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
PATIENCE = 60.0  # seconds for one answer
LONGEST_LINE = 64 * 1024 * 1024

_CLIENT = {"name": "raw-peer", "version": "1"}
_META = "io.modelcontextprotocol/"


@dataclass(frozen=True)
class Answer:
    """One response, and the notifications that came before it, all exact (see `tests.exact`)."""

    message: dict[str, Any]
    notifications: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.message, self.message
        result: dict[str, Any] = self.message["result"]
        return result

    @property
    def error(self) -> dict[str, Any]:
        assert "error" in self.message, self.message
        error: dict[str, Any] = self.message["error"]
        return error


@dataclass(frozen=True)
class Greeting:
    """What a server says of itself, in `initialize` or in `server/discover`."""

    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str | None


class Peer(Protocol):
    version: str
    greeting: Greeting

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Answer: ...

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None: ...


def _stamped(version: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """The `params` with what the modern era wants in `_meta`."""
    params = dict(params or {})
    if version == MODERN:
        params["_meta"] = {
            f"{_META}protocolVersion": version,
            f"{_META}clientInfo": _CLIENT,
            f"{_META}clientCapabilities": {},
            **params.get("_meta", {}),
        }
    return params


def _body(key: int | None, method: str, params: Mapping[str, Any]) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if key is not None:
        message["id"] = key
    if params:
        message["params"] = params
    return json.dumps(message).encode()


async def _greet(peer: Peer) -> Greeting:
    if peer.version == MODERN:
        result = (await peer.request("server/discover")).result
        assert peer.version in result["supportedVersions"]
        server_info = result["_meta"][f"{_META}serverInfo"]
    else:
        params = {"protocolVersion": peer.version, "capabilities": {}, "clientInfo": _CLIENT}
        result = (await peer.request("initialize", params)).result
        assert result["protocolVersion"] == peer.version
        server_info = result["serverInfo"]
        await peer.notify("notifications/initialized")
    return Greeting(result["capabilities"], server_info, result.get("instructions"))


class StdioPeer:
    """Speaks with a child over its standard streams. Several requests may be under way."""

    greeting: Greeting

    def __init__(self, process: asyncio.subprocess.Process, version: str) -> None:
        self.process = process
        self.version = version
        self._keys = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._notifications: list[dict[str, Any]] = []

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Answer:
        key = next(self._keys)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[str(key)] = waiting
        await self._write(_body(key, method, _stamped(self.version, params)))
        async with asyncio.timeout(PATIENCE):
            return await waiting

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        await self._write(_body(None, method, params or {}))

    async def read(self) -> None:
        """Deliver what the child says, until it says no more."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            message = exact(line)
            if "method" not in message:
                answer = Answer(message, self._notifications)
                self._notifications = []
                self._waiting.pop(message["id"].text).set_result(answer)
            elif "id" not in message:
                self._notifications.append(message)
            else:
                await self._write(_refusal(message["id"]))
        for waiting in self._waiting.values():
            waiting.cancel("the server closed its standard output")

    async def _write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()


def _refusal(key: Any) -> bytes:
    raw = key.text if isinstance(key, Number) else json.dumps(key)
    return b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32601,"message":"not here"}}' % raw.encode()


@asynccontextmanager
async def stdio_peer(
    command: list[str], *, version: str = LEGACY, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[StdioPeer]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=env,
        cwd=cwd,
        limit=LONGEST_LINE,
    )
    peer = StdioPeer(process, version)
    reading = asyncio.create_task(peer.read())
    try:
        peer.greeting = await _greet(peer)
        yield peer
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reading


class HttpPeer:
    """Speaks Streamable HTTP."""

    greeting: Greeting

    def __init__(self, session: aiohttp.ClientSession, url: str, version: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self.version = version
        self.session_id: str | None = None
        self._session = session
        self._keys = itertools.count(1)
        self._headers = dict(headers)

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Answer:
        key = next(self._keys)
        body = _body(key, method, _stamped(self.version, params))
        async with self._session.post(self.url, data=body, headers=self._head(method, params)) as response:
            if opened := response.headers.get("Mcp-Session-Id"):
                self.session_id = opened
            if response.content_type == "text/event-stream":
                return await _last(response, Number(str(key)))
            return Answer(exact(await response.read()), status=response.status)

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        body = _body(None, method, params or {})
        async with self._session.post(self.url, data=body, headers=self._head(method, params)) as response:
            assert response.status == 202, await response.text()

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What a legacy server says outside of answers: its GET stream, open when this yields."""
        head = {**self._head("", None), "Accept": "text/event-stream"}
        async with self._session.get(self.url, headers=head) as response:
            assert response.status == 200, await response.text()
            yield _messages(response)

    async def end(self) -> None:
        """Leave a legacy session."""
        if self.session_id is not None:
            async with self._session.delete(self.url, headers=self._head("", None)) as response:
                assert response.status in {200, 202, 204}, await response.text()

    def _head(self, method: str, params: Mapping[str, Any] | None) -> dict[str, str]:
        head = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **self._headers}
        if self.version == MODERN:
            head |= {"MCP-Protocol-Version": self.version, "Mcp-Method": method}
            if named := {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}.get(method):
                head["Mcp-Name"] = _header_value((params or {})[named])
        elif self.session_id is not None:
            head |= {"MCP-Protocol-Version": self.version, "Mcp-Session-Id": self.session_id}
        return head


def _header_value(value: str) -> str:
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


async def _messages(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream that carry data."""
    data: list[bytes] = []
    async for line in response.content:
        if line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif not line.strip():
            if any(data):
                yield exact(b"\n".join(data))
            data = []


async def _last(response: aiohttp.ClientResponse, key: Number) -> Answer:
    notifications: list[dict[str, Any]] = []
    async for message in _messages(response):
        if message.get("id") == key and "method" not in message:
            return Answer(message, notifications, response.status)
        notifications.append(message)
    raise AssertionError(f"the stream ended without an answer; it held {notifications}")


@asynccontextmanager
async def http_peer(
    url: str, *, version: str = MODERN, headers: Mapping[str, str] | None = None
) -> AsyncIterator[HttpPeer]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=LONGEST_LINE) as session:
        peer = HttpPeer(session, url, version, headers or {})
        peer.greeting = await _greet(peer)
        yield peer
        await peer.end()
