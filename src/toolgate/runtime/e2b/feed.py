"""What is written to a server elsewhere: in order, one request at a time; who writes waits while it does not read."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["Feed"]

_HIGH: Final = 64 * 1024  # bytes waiting at which writers are to wait, and at which they go on
_LOW: Final = 16 * 1024
_POSTED: Final = 1 << 20  # bytes that may wait for a server that does not read
_PIECE: Final = 512 * 1024  # bytes of one request: many lines, or a part of one


class Feed:
    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._send = send
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_closed = False

    @property
    def reads(self) -> bool:
        return self._writable.is_set()

    async def ready(self) -> None:
        while not self._writable.is_set():
            await self._writable.wait()

    def write(self, line: bytes) -> None:
        if self._is_closed:
            return
        self._lines.append(line + b"\n")
        self._size += len(line) + 1
        self._empty.clear()
        self._news.set()
        if self._size > _HIGH:
            self._writable.clear()

    def post(self, line: bytes) -> bool:
        if self._is_closed or self._size > _POSTED:
            return False
        self.write(line)
        return True

    async def run(self) -> None:
        """Sends until it is cancelled, or `send` raises."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._lines:
                piece = self._piece()
                await self._send(piece)
                # What is on its way still waits to be read: a server that does not read holds its writers up.
                self._size -= len(piece)
                if self._size <= _LOW:
                    self._writable.set()
            self._empty.set()

    async def emptied(self) -> None:
        await self._empty.wait()

    def close(self) -> None:
        """Nothing more is taken, and nobody waits."""
        self._is_closed = True
        self._lines.clear()
        self._writable.set()
        self._empty.set()

    def _piece(self) -> bytes:
        parts, size = [], 0
        while self._lines and size < _PIECE:
            line = self._lines.popleft()
            if size + len(line) > _PIECE:
                cut = _PIECE - size
                self._lines.appendleft(line[cut:])
                line = line[:cut]
            parts.append(line)
            size += len(line)
        return b"".join(parts)
