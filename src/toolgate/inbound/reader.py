"""One connection on which a legacy client reads a stream of its session."""

import asyncio
from collections.abc import Awaitable, Callable

from toolgate.inbound.deliver import KEEP_ALIVE, STALLED, disconnected
from toolgate.inbound.event_ids import PRIMED, event_id
from toolgate.inbound.replay import ReplayChannel
from toolgate.inbound.session_channel import SessionChannel
from toolgate.inbound.wire import EventStream, Head, Receive, Send, respond

__all__ = ["Reader"]


class Reader:
    """The one reader of `stream`, until the client goes or another connection takes over."""

    def __init__(self, stream: ReplayChannel, receive: Receive, send: Send, head: Head) -> None:
        self._stream = stream
        self._send = send
        self._head = head
        self._events = EventStream(send, head)
        self._gone = asyncio.create_task(disconnected(receive))
        self._gone.add_done_callback(stream.wake)
        stream.attach(self)

    async def answer(self, call: SessionChannel, *, primes: bool) -> None:
        """The response to a POST: as JSON where nothing comes before it, as a stream where something does."""
        await self._until_it_ends(self._answer(call, primes=primes))

    async def read(self, over: Callable[[], bool]) -> None:
        """The stream from where it is, and on until it is over."""
        await self._until_it_ends(self._read(over))

    async def _until_it_ends(self, reading: Awaitable[None]) -> None:
        try:
            await reading
        except (TimeoutError, OSError):
            pass  # the client stopped reading or its connection broke: there is nobody to tell
        finally:
            self._gone.cancel()
            self._stream.detach(self)

    async def _answer(self, call: SessionChannel, *, primes: bool) -> None:
        await call.woken(KEEP_ALIVE)
        if (outcome := call.alone) is not None:
            await respond(self._send, outcome.status, outcome.body, self._head)
        elif not self._gone.done():
            if call.outcome is not None or not call.over:
                await self._begin(call, primes=primes)
            # else the client cancelled it: a stream that ends is its answer, and nothing to come back for
            await self._read(lambda: call.over)

    async def _begin(self, call: SessionChannel, *, primes: bool) -> None:
        call.begin(primed=primes)
        if call.name and primes:
            await self._events.prime(event_id(call.name, PRIMED))

    async def _read(self, over: Callable[[], bool]) -> None:
        await self._events.begin()
        await self._catch_up()
        while self._reads and not over():
            heard = await self._stream.woken(KEEP_ALIVE)
            await self._catch_up(heard=heard)
        if not self._gone.done():
            await self._events.end()

    async def _catch_up(self, *, heard: bool = True) -> None:
        """All that waits, or a sign of life; raises `TimeoutError` for a client that does not read."""
        async with asyncio.timeout(STALLED):
            if not heard:
                await self._events.comment()
            while self._reads and (event := self._stream.next()) is not None:
                number, message = event
                name = self._stream.name
                await self._events.message(message, event_id(name, number) if name else None)

    @property
    def _reads(self) -> bool:
        return self._stream.reader is self and not self._gone.done()
