"""Of several same calls at once, one goes to the server and the others wait for what it brings."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from toolgate.pipeline.call import Call, Reply

__all__ = ["Flight", "Flights"]

Shared = tuple[Reply | None, bool]
"""What the leader brought for those who wait, and, where it brought nothing, whether each goes alone."""


class Flight:
    """One call under way that others may wait for."""

    __slots__ = ("_landed",)

    def __init__(self) -> None:
        self._landed: asyncio.Future[Shared] = asyncio.get_running_loop().create_future()

    def land(self, reply: Reply | None, *, alone: bool = True) -> None:
        """Tell those who wait, once; what is said after that is not heard."""
        if not self._landed.done():
            self._landed.set_result((reply, alone))

    async def wait(self) -> Shared:
        return await asyncio.shield(self._landed)  # one who goes away must not take the others with it


class Flights:
    """Calls under way, by what makes them the same."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, Flight] = {}

    async def share(self, key: Hashable, call: Call, lead: "Lead", alone: "Alone") -> Reply:
        """`lead` makes the call and lands the flight where its result is for all. Where it fails, all others go
        `alone`, as if they had not waited; where it is cancelled, one of them takes over."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (flight := self._under_way.get(key)) is not None:
            reply, each_alone = await flight.wait()
            if reply is not None:
                return reply
            # The time that was waited is the call's own.
            call = call.with_(timeout=max(0.001, call.timeout - (loop.time() - began)))
            began = loop.time()
            if each_alone:
                return await alone(call)
        return await self._lead(key, call, lead)

    async def _lead(self, key: Hashable, call: Call, lead: "Lead") -> Reply:
        flight = self._under_way[key] = Flight()
        cancelled = False
        try:
            return await lead(call, flight)
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            # A flight that landed early, for something that is this caller's alone, may have been followed by another.
            if self._under_way.get(key) is flight:
                del self._under_way[key]
            flight.land(None, alone=not cancelled)

    def __len__(self) -> int:
        return len(self._under_way)


Lead = Callable[[Call, Flight], Awaitable[Reply]]
Alone = Callable[[Call], Awaitable[Reply]]
