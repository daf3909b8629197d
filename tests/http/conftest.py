"""A listener on a real socket in front of an application that a test writes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from toolgate.http.listener import Listener
from toolgate.http.request import Answer, Request

__all__ = ["House", "listening"]


class House:
    """Implements `http.server.Application`. `serve` answers; `admit` may be replaced."""

    def __init__(self, serve: Callable[[Request], Awaitable[None]]) -> None:
        self.serve = serve
        self.limit = 10_000
        self.seen: list[Request] = []
        self.address: tuple[str, int] = ("", 0)
        self.listener: Listener

    def admit(self, request: Request) -> int | Answer:
        return Answer(401, b'{"no":1}') if request.headers.get(b"authorization") == b"wrong" else self.limit

    def too_large(self) -> Answer:
        return Answer(413, b'{"large":1}')

    def too_busy(self) -> Answer:
        return Answer(503, b'{"busy":1}', ((b"retry-after", b"1"),))

    def at_once(self, request: Request) -> bool:
        return False

    def __call__(self, request: Request) -> Awaitable[None]:
        self.seen.append(request)
        return self.serve(request)


@asynccontextmanager
async def listening(serve: Callable[[Request], Awaitable[None]]) -> AsyncIterator[House]:
    house = House(serve)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        house.address = sock.getsockname()
        house.listener = await Listener.open(house, sock)
        try:
            yield house
        finally:
            await house.listener.close(1)


async def exchanged(house: House, *pieces: bytes, closes: bool = True) -> bytes:
    """All that comes back for what is sent, until the server closes; or until it is silent for a moment."""
    reader, writer = await asyncio.open_connection(*house.address)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)  # so that the pieces arrive as such
        if closes:
            return await asyncio.wait_for(reader.read(), 10)
        answer = b""
        while not answer.endswith((b"}", b"0\r\n\r\n")):
            answer += await asyncio.wait_for(reader.read(65_536), 10)
        return answer
    finally:
        writer.close()
