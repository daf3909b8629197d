"""Links for callers that a legacy server may ask something.

What a client can be asked is told to a legacy server once a link, at `initialize`; and what it asks over stdio doesn't
say whose call it is about. So callers that differ in either do not share a link: there is one a server, principal and
set of capabilities, made when it is first needed and ended when it was idle for long. The server's first link, which
declares nothing, is for everybody else, and for the lists.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from toolgate.pipeline.call import Call
from toolgate.upstream.supervisor import Upstream

__all__ = ["Variants"]

_MOST: Final = 32  # of one server; the one that was used longest ago makes room
_IDLE: Final = 600.0  # seconds without a call
_SWEEP: Final = 30.0  # seconds between looks for idle ones

Key = tuple[str, bytes]


class Variants:
    """The further links of one server."""

    def __init__(self, make: Callable[[bytes], Upstream], idle: float = _IDLE) -> None:
        self._make = make
        self._idle = idle
        self._links: OrderedDict[Key, Upstream] = OrderedDict()
        self._used: dict[Key, float] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None

    def of(self, call: Call) -> Upstream:
        key = call.principal.id, call.capabilities
        upstream = self._links.get(key)
        if upstream is None:
            while len(self._links) >= _MOST:
                self._leave(next(iter(self._links)))
            upstream = self._links[key] = self._make(call.capabilities)
            upstream.start()
        self._links.move_to_end(key)
        self._used[key] = asyncio.get_running_loop().time()
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep(), name="sweep idle links")
        return upstream

    def all(self) -> Iterable[Upstream]:
        return self._links.values()

    def __len__(self) -> int:
        return len(self._links)

    def leave(self) -> None:
        """All of them; those that are needed again are made again."""
        for key in tuple(self._links):
            self._leave(key)

    def stop(self) -> None:
        """Refuse calls from now on."""
        for upstream in self._links.values():
            upstream.stop()

    async def close(self, grace: float) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        links, self._links = self._links, OrderedDict()
        await asyncio.gather(*(upstream.close(grace) for upstream in links.values()), *self._leaving)

    def _leave(self, key: Key) -> None:
        upstream = self._links.pop(key)
        self._used.pop(key, None)
        task = asyncio.create_task(upstream.close(self._idle), name=f"leave {upstream.server.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _sweep(self) -> None:
        while self._links:
            await asyncio.sleep(min(_SWEEP, self._idle))
            long_ago = asyncio.get_running_loop().time() - self._idle
            for key in [key for key, used in self._used.items() if used <= long_ago and not self._links[key].under_way]:
                self._leave(key)
