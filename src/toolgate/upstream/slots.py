"""How many servers are started at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

__all__ = ["Slots"]

_COUNT: Final = 8
_HOLD: Final = 2.0  # seconds


class Slots:
    """At most 8 starts at a time, so that 50 servers don't fight for the processors; but one that is slow gives its
    place up after 2 seconds, so that it delays nobody."""

    def __init__(self, count: int = _COUNT, hold: float = _HOLD) -> None:
        self._free = asyncio.Semaphore(count)
        self._hold = hold

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        await self._free.acquire()
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._hold, release)
        try:
            yield
        finally:
            timer.cancel()
            release()
