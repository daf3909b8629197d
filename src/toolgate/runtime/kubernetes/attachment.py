"""The streams of a container over a WebSocket: `v5.channel.k8s.io`, and `v4` where the cluster is older.

Each message begins with the number of its channel: 0 standard input, 1 standard output, 2 standard error, 3 how it
ended (a `Status`). In v5 the bytes 255 and 0 close the input alone.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp

__all__ = ["Attachment"]

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CLOSE: Final = 255
_HALF_CLOSES: Final = "v5.channel.k8s.io"
_PIECE: Final = 32 * 1024  # bytes of a frame
_FULL: Final = 64 * 1024  # bytes that wait here before `ready` does
_POSTED: Final = 1 << 20

Take = Callable[[bytes], None]


class Attachment:
    """`closed` is set when nothing more comes: it was ended there, it broke, or a ping was not answered."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, stdout: Take, stderr: Take) -> None:
        self._socket = socket
        self._takes = {_STDOUT: stdout, _STDERR: stderr}
        self._waiting = bytearray()
        self._wanted = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ends = False
        self.closed = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name="read a pod")
        self._writer = asyncio.create_task(self._write(), name="write to a pod")

    @property
    def half_closes(self) -> bool:
        return self._socket.protocol == _HALF_CLOSES

    @property
    def has_room(self) -> bool:
        return self._room.is_set()

    async def room(self) -> None:
        await self._room.wait()

    def send(self, data: bytes) -> None:
        if self._ends or self.closed.is_set():
            return
        self._waiting += data
        if len(self._waiting) > _FULL:
            self._room.clear()
        self._wanted.set()

    def takes(self) -> bool:
        """Whether something more may wait."""
        return not self._ends and not self.closed.is_set() and len(self._waiting) <= _POSTED

    def end_input(self) -> None:
        """Closed after what waits, where the protocol can."""
        self._ends = True
        self._wanted.set()

    async def close(self) -> None:
        for task in (self._reader, self._writer):
            task.cancel()
        await asyncio.gather(self._reader, self._writer, return_exceptions=True)
        await self._socket.close()
        self._finish()

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    continue
                take = self._takes.get(message.data[0]) if message.data else None
                if take is not None and len(message.data) > 1:
                    take(message.data[1:])
        finally:
            self._finish()

    async def _write(self) -> None:
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._drain()
                if self._ends and self.half_closes:
                    await self._socket.send_bytes(bytes((_CLOSE, _STDIN)))
                    return
        except (aiohttp.ClientError, ConnectionError):
            self._room.set()  # the reader tells of the end

    async def _drain(self) -> None:
        while self._waiting:
            piece = bytes(self._waiting[:_PIECE])
            del self._waiting[:_PIECE]
            await self._socket.send_bytes(bytes((_STDIN,)) + piece)
            if len(self._waiting) <= _FULL:
                self._room.set()

    def _finish(self) -> None:
        self._waiting.clear()
        self._room.set()
        self.closed.set()
