"""The resolver of a sandbox: DNS over the UDP and TCP sockets that were bound inside."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from toolgate.runtime.egress.pace import Pace

__all__ = ["Answer", "Datagrams", "serve_stream"]

Answer = Callable[[bytes], bytes | None]

_A_SECOND: Final = 200
_BURST: Final = 200
_LARGEST: Final = 4096
_SILENCE: Final = 5.0


class Datagrams:
    """Answers on a UDP socket, so many a second; what comes above that the kernel drops."""

    def __init__(self, bound: socket.socket, answer: Answer) -> None:
        self._bound = bound
        self._answer = answer
        self._pace = Pace(_A_SECOND, _BURST)
        self._resuming: asyncio.TimerHandle | None = None
        bound.setblocking(False)
        self._listen()

    def shut(self) -> None:
        if self._resuming:
            self._resuming.cancel()
        asyncio.get_running_loop().remove_reader(self._bound)
        self._bound.close()

    def _listen(self) -> None:
        self._resuming = None
        asyncio.get_running_loop().add_reader(self._bound, self._received)

    def _received(self) -> None:
        if wait := self._pace.take():
            asyncio.get_running_loop().remove_reader(self._bound)
            self._resuming = asyncio.get_running_loop().call_later(wait, self._listen)
            return
        try:
            query, peer = self._bound.recvfrom(_LARGEST)
            if response := self._answer(query):
                self._bound.sendto(response, peer)
        except OSError:  # nothing came after all, or whoever asked is gone: its next question is a new one
            return


async def serve_stream(connection: socket.socket, answer: Answer) -> None:
    """Answer on a TCP connection (RFC 1035 4.2.2), one question after the other, until it ends or is silent."""
    try:
        while query := await _question(connection):
            if response := answer(query):
                async with asyncio.timeout(_SILENCE):
                    framed = len(response).to_bytes(2, "big") + response
                    await asyncio.get_running_loop().sock_sendall(connection, framed)
            await asyncio.sleep(0)
    except OSError:  # silence, too: TimeoutError is one
        return


async def _question(connection: socket.socket) -> bytes:
    """Empty at the end, and for one that is none."""
    async with asyncio.timeout(_SILENCE):
        size = int.from_bytes(await _exactly(connection, 2), "big")
        return await _exactly(connection, size) if size <= _LARGEST else b""


async def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = await asyncio.get_running_loop().sock_recv(connection, size - len(received))
        if not part:
            return b""
        received += part
    return received
