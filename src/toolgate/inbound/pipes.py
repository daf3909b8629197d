"""The standard streams of this process, as lines, without blocking the loop and whatever they are (pipe, file,
terminal, or a Windows handle)."""

import asyncio
import sys
from threading import Thread
from typing import Final

from toolgate.inbound.stdio import LINE_LIMIT

__all__ = ["StandardLines"]

_AHEAD: Final = 64  # lines read before they are asked for


class StandardLines:
    """Implements `inbound.stdio.Lines` with a reading thread: asyncio cannot wait for regular files."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)
        self._writing = asyncio.Lock()
        Thread(target=self._pump, name="stdin", daemon=True).start()

    def _pump(self) -> None:
        line = b"\n"
        while line:
            line = sys.stdin.buffer.readline(LINE_LIMIT)
            try:
                asyncio.run_coroutine_threadsafe(self._queue.put(line), self._loop).result()
            except RuntimeError:  # the loop is closed: nobody listens any more
                return

    async def read(self) -> bytes:
        return await self._queue.get()

    async def write(self, line: bytes) -> None:
        async with self._writing:
            await asyncio.to_thread(_write, line)


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
