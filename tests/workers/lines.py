"""Connections to each worker of a gateway, told apart by how the ids of their requests begin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

import aiohttp

from tests.peers import MODERN

__all__ = ["Line", "lines", "owned_by"]

_META = "io.modelcontextprotocol/"
_TRIES = 200


class Line:
    """One connection, which stays with its worker."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._head = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MODERN}
        if key:
            self._head["Authorization"] = f"Bearer {key}"
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
        self.worker = ""
        self.status = 0

    async def request(self, method: str, params: dict[str, Any] | None = None, name: str = "") -> dict[str, Any]:
        head = {**self._head, "Mcp-Method": method, **({"Mcp-Name": name} if name else {})}
        meta = {f"{_META}protocolVersion": MODERN, f"{_META}clientCapabilities": {}}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": meta}}
        async with self._session.post(self._url, json=body, headers=head) as response:
            self.worker = response.headers.get("X-Request-Id", "")[:8]
            self.status = response.status
            answer: dict[str, Any] = await response.json()
            return answer

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return await self.request("tools/call", {"name": tool, "arguments": arguments}, tool)

    async def close(self) -> None:
        await self._session.close()


@asynccontextmanager
async def lines(url: str, count: int = 2, key: str = "") -> AsyncIterator[list[Line]]:
    """One to each of `count` workers."""
    found: dict[str, Line] = {}
    others: list[Line] = []
    try:
        for _ in range(_TRIES):
            line = Line(f"{url}/mcp", key)
            await line.request("server/discover")
            if line.worker in found:
                others.append(line)
            else:
                found[line.worker] = line
            if len(found) == count:
                break
        assert len(found) == count, f"{len(found)} of {count} workers answered"
        yield list(found.values())
    finally:
        await asyncio.gather(*(line.close() for line in (*found.values(), *others)))


def owned_by(worker: int, count: int = 2) -> str:
    """The name of a server that this worker runs."""
    return next(name for name in (f"s{number}" for number in range(100)) if crc32(name.encode()) % count == worker)
