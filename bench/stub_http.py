"""The stub over HTTP: one `asyncio.Protocol`, no framework."""

import asyncio
import re
from typing import cast

import uvloop

from bench.stub import reply

__all__ = ["serve"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    def __init__(self, known: dict[str, bytes]) -> None:
        self.known = known
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)  # uvloop's are not subclasses of asyncio's

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.received, 0, end)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < stop:
                return
            self.answer(self.received[end + 4 : stop])
            self.received = self.received[stop:]

    def answer(self, body: bytes) -> None:
        answer = reply(body, self.known) if body else None
        if answer is None:
            status = b"202 Accepted" if body else b"405 Method Not Allowed"
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status)
            return
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
        self.transport.write(head + answer)


def serve(known: dict[str, bytes]) -> None:
    uvloop.run(_serve(known))


async def _serve(known: dict[str, bytes]) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(known), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp", flush=True)
    await server.serve_forever()
