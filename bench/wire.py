"""Clients that are not the bottleneck: requests are bytes made beforehand, answers are read and not parsed."""

import asyncio
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from bench.stub import REVISION

__all__ = ["HttpLine", "Line", "StdioLine", "latencies"]

_META = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Line(Protocol):
    async def ask(self) -> None:
        """Send the request once, and read its answer. Raises `AssertionError` where that is an error."""
        ...


def _body(key: int, method: str, params: Mapping[str, Any]) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "id": key, "method": method, "params": {**params, "_meta": _META}}, separators=(",", ":")
    ).encode()


class HttpLine:
    """One connection that is kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        self.reader = reader
        self.writer = writer
        self.request = request

    @classmethod
    async def open(cls, url: str, method: str, params: Mapping[str, Any]) -> "HttpLine":
        parts = urlsplit(url)
        body = _body(1, method, params)
        head = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": method,
            **({"Mcp-Name": params["name"]} if "name" in params else {}),
            "Content-Length": str(len(body)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**24)
        return cls(reader, writer, f"POST {parts.path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def ask(self) -> None:
        self.writer.write(self.request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        if (at := head.find(b"content-length:")) >= 0:
            body = await self.reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
        else:
            body = await self._chunks()
        assert b'"result":' in body, body[:500]

    async def _chunks(self) -> bytes:
        chunks = []
        while size := int(await self.reader.readline(), 16):
            chunks.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readline()
        return b"".join(chunks)

    def close(self) -> None:
        self.writer.close()


class StdioLine:
    """A child; many requests may be under way."""

    def __init__(self, process: asyncio.subprocess.Process, method: str, params: Mapping[str, Any]) -> None:
        self.process = process
        self.before, self.after = _body(0, method, params).split(b'"id":0', 1)
        self.keys = itertools.count(1)
        self.waiting: dict[int, asyncio.Future[None]] = {}

    async def ask(self) -> None:
        assert self.process.stdin is not None
        key = next(self.keys)
        self.waiting[key] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(self.before + b'"id":%d' % key + self.after + b"\n")
        await self.waiting[key]

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            at = line.index(b'"id":') + 5
            self.waiting.pop(int(line[at : line.index(b",", at)])).set_result(None)


async def latencies(lines: Sequence[Line], count: int) -> list[float]:
    """Seconds of each of `count` requests, made over all lines at once, one after the other on each."""
    taken: list[float] = []

    async def work(line: Line, times: int) -> None:
        for _ in range(times):
            start = time.perf_counter()
            await line.ask()
            taken.append(time.perf_counter() - start)

    await asyncio.gather(*(work(line, count // len(lines)) for line in lines))
    return taken
