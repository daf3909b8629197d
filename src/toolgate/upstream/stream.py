"""Event streams of a server behind a URL: what is taken of them, and what is left."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from toolgate.http.client import Response
from toolgate.protocol.sse import Decoder, Event
from toolgate.upstream.deadline import Alarms, Row

__all__ = ["Left", "Reading"]

Found = TypeVar("Found")

_DRAIN: Final = 1.0  # seconds that a stream gets to end after its answer, so that its connection can be used again


class Reading(Generic[Found]):
    """Gives each event to `take` in the moment in which it has come, until that answers something. `found` is that, or
    None where the stream ends before; it raises what `take` raises, `EventTooLarge`, and `BrokenOffError`."""

    __slots__ = ("_decoder", "_response", "_take", "found")

    def __init__(self, response: Response, decoder: Decoder, take: Callable[[Event], Found | None]) -> None:
        self._response = response
        self._decoder = decoder
        self._take = take
        self.found: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        response.on_more = self._more
        self._more()

    def _more(self) -> None:
        if self.found.done():
            return
        response = self._response
        chunk = response.peek()
        response.skip()
        try:
            for event in self._decoder.feed(chunk):
                if (found := self._take(event)) is not None:
                    self.found.set_result(found)
                    return
        except Exception as error:  # whoever waits for it is told
            self.found.set_exception(error)
            return
        if response.failure is not None:
            self.found.set_exception(response.failure)
        elif response.ended:
            self.found.set_result(None)


class Left:
    """A response of which nobody wants the rest. Implements `deadline.Ringing`."""

    __slots__ = ("_response", "_row")

    def __init__(self, response: Response, alarms: Alarms) -> None:
        self._response = response
        self._row: Row | None = alarms.set(self, _DRAIN)
        response.on_more = self._more

    def _more(self) -> None:
        self._response.skip()
        if self._response.ended and self._row is not None:
            self._row.ends.pop(self, None)

    def ring(self) -> None:
        self._row = None
        self._response.close()

    def end(self) -> None:
        if self._row is not None:
            self._row.ends.pop(self, None)
        self.ring()
