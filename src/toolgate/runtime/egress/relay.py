"""Carries bytes between two sockets, both ways."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

__all__ = ["relay", "reset"]

_CHUNK: Final = 64 * 1024
"""Bytes under way in each direction, at most: the next are read when these are sent."""
_STEP: Final = 1.0
"""The idle limit is precise to so many seconds: moving it for every chunk would cost more than carrying the chunk."""


async def relay(client: socket.socket, host: socket.socket, judge: Callable[[bytes], None], *, idle: float) -> None:
    """Returns when both sides have ended what they send (each end is passed on). `judge` sees all that the client sends
    before it is passed on, and may raise ValueError.

    Raises the first error of either side, and TimeoutError when nothing moved for `idle` seconds.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(idle) as limit:

        def moved() -> None:
            due = loop.time() + idle
            if due - (limit.when() or 0) > min(_STEP, idle / 4):
                limit.reschedule(due)

        out = loop.create_task(_carry(client, host, judge, moved))
        back = loop.create_task(_carry(host, client, _unjudged, moved))
        try:
            await asyncio.gather(out, back)
        finally:
            out.cancel()
            back.cancel()
            await asyncio.gather(out, back, return_exceptions=True)


async def _carry(
    source: socket.socket, target: socket.socket, judge: Callable[[bytes], None], moved: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _CHUNK):
        judge(data)
        await loop.sock_sendall(target, data)
        moved()
        # Neither of the two calls waits where a socket is ready at once, and others have a right to the loop.
        await asyncio.sleep(0)
    target.shutdown(socket.SHUT_WR)


def _unjudged(data: bytes) -> None:
    """What a host answers is between it and the server."""


def reset(connection: socket.socket) -> None:
    """Close it in a way that its peer sees as an error, not as an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
