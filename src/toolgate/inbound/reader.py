"""One connection on which a legacy client reads a stream of its session."""

from collections.abc import Awaitable, Callable

from toolgate.http.request import Head, Request
from toolgate.inbound.event_ids import PRIMED, event_id
from toolgate.inbound.replay import ReplayChannel
from toolgate.inbound.session_channel import SessionChannel
from toolgate.inbound.wire import EventStream

__all__ = ["Reader"]


class Reader:
    """The one reader of `stream`, until the client goes or another connection takes over."""

    def __init__(self, stream: ReplayChannel, request: Request, head: Head) -> None:
        self._stream = stream
        self._request = request
        self._head = head
        self._events = EventStream(request, head)
        request.on_gone = stream.wake
        request.on_silence = stream.break_silence
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
        finally:
            self._stream.detach(self)

    async def _answer(self, call: SessionChannel, *, primes: bool) -> None:
        await call.woken()
        if (outcome := call.alone) is not None:
            self._request.respond(outcome.status, outcome.body, self._head)
        elif not self._request.gone:
            if call.outcome is not None or not call.over:
                await self._begin(call, primes=primes)
            # else the client cancelled it: a stream that ends is its answer, and nothing to come back for
            await self._read(lambda: call.over)

    async def _begin(self, call: SessionChannel, *, primes: bool) -> None:
        call.begin(primed=primes)
        if call.name and primes:
            await self._events.prime(event_id(call.name, PRIMED))

    async def _read(self, over: Callable[[], bool]) -> None:
        self._events.begin()
        await self._catch_up()
        while self._reads and not over():
            heard = await self._stream.woken()
            if not heard:
                self._events.comment()
            await self._catch_up()
        if not self._request.gone:
            self._events.end()

    async def _catch_up(self) -> None:
        """All that waits."""
        while self._reads and (event := self._stream.next()) is not None:
            number, message = event
            name = self._stream.name
            await self._events.message(message, event_id(name, number) if name else None)

    @property
    def _reads(self) -> bool:
        return self._stream.reader is self and not self._request.gone
