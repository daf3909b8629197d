"""Stops servers that nobody uses: after a time, and at once where another one needs the place."""

import asyncio
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

from toolgate.model.life import Cause
from toolgate.model.server import Server

__all__ = ["Idle", "Restful"]

_LONGEST: Final = 5.0  # seconds between two looks
_SHORTEST: Final = 0.05


class Restful(Protocol):
    """A server that may be stopped while nobody needs it, see `SharedUpstream`."""

    @property
    def server(self) -> Server: ...

    def unused_for(self, now: float) -> float | None: ...

    def rest(self, cause: Cause) -> None: ...


class Idle:
    """`restful()` are the servers that it may stop, `allowed(server)` tells for how many seconds one may be idle."""

    def __init__(self, restful: Callable[[], Iterable[Restful]], allowed: Callable[[Server], float]) -> None:
        self._restful = restful
        self._allowed = allowed
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep(), name="sweep idle servers")

    async def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping

    def look(self) -> None:
        now = asyncio.get_running_loop().time()
        for one in tuple(self._restful()):
            unused = one.unused_for(now)
            if unused is not None and unused >= self._allowed(one.server):
                one.rest(Cause.IDLE)

    def spare(self, owner: str | None) -> bool:
        """Stop the one that was used longest ago: of this owner, or of all where it is None. False where none is
        idle. One that is never stopped for being idle is not stopped for this either."""
        now = asyncio.get_running_loop().time()
        idle = [
            (unused, at, one)
            for at, one in enumerate(self._restful())
            if owner in {None, one.server.owner}
            and self._allowed(one.server) < math.inf
            and (unused := one.unused_for(now)) is not None
        ]
        if idle:
            max(idle)[2].rest(Cause.ROOM)
        return bool(idle)

    async def _sweep(self) -> None:
        while True:
            allowed = min((self._allowed(one.server) for one in self._restful()), default=math.inf)
            await asyncio.sleep(min(_LONGEST, max(_SHORTEST, allowed / 4)))
            self.look()
