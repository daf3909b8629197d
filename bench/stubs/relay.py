"""Passes bytes on and knows nothing of them: `python -m bench.stubs.relay URL` prints its own URL.

What it takes is what this machine, interpreter and event loop ask of anything that stands between, so a gateway can be
measured in multiples of it wherever it runs.
"""

import asyncio
import sys
from typing import cast
from urllib.parse import urlsplit

import uvloop

__all__ = ["serve"]


class Side(asyncio.Protocol):
    """One of two that give each other what they get."""

    def __init__(self) -> None:
        self.other: Side | None = None
        self.early: list[bytes] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of asyncio's

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            self.early.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Client(Side):
    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._where = host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        _, server = await asyncio.get_running_loop().create_connection(Side, *self._where)
        assert server.transport is not None
        self.other, server.other = server, self
        server.transport.writelines(self.early)


async def serve(url: str) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    server = await asyncio.get_running_loop().create_server(lambda: Client(host, port), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
