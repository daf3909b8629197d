"""How many calls a link has under way, and the moment when there are none."""

import asyncio
from contextlib import suppress
from types import TracebackType

__all__ = ["InFlight"]


class InFlight:
    """`with` around each call."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(self) -> None:
        self._count += 1
        self._idle.clear()

    def leave(self) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    def __enter__(self) -> None:
        self.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    async def drained(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for the last of them."""
        if timeout > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout)
