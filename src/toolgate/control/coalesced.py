"""Work that is the same for all who ask for it: those who ask while it goes on share the next time."""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["Coalesced"]


class Coalesced:
    def __init__(self, work: Callable[[], Awaitable[object]]) -> None:
        self._work = work
        self._one = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Return when it was done once, from its beginning, after this was called. Raises what it raised."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(), name="coalesced")
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        async with self._one:
            self._next = None  # who comes from now on is too late for this time
            await self._work()
