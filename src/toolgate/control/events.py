"""Changes, told as they happen (server-sent events)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

from toolgate.errors import Overloaded
from toolgate.model.owner import acts_for
from toolgate.model.principal import Principal
from toolgate.protocol.envelope import dump
from toolgate.protocol.sse import encode

__all__ = ["Changes"]

_WAITING: Final = 256  # events of a subscriber that does not read
_MOST: Final = 256  # subscribers
_SILENCE: Final = 15.0  # seconds
_COMMENT: Final = b": \n\n"


class Changes:
    """`tell` takes an event and whose it is; each subscriber hears what belongs to whom it acts for."""

    def __init__(self) -> None:
        self._subscribers: set[_Subscriber] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._subscribers)

    def tell(self, event: str, owner: str, what: dict[str, Any]) -> None:
        """Does not wait."""
        if self._subscribers:
            chunk = encode(dump(what), event)
            for subscriber in tuple(self._subscribers):
                if acts_for(subscriber.principal, owner):
                    subscriber.put(chunk)

    def subscribe(self, principal: Principal) -> AsyncGenerator[bytes, None]:
        """The first event, `ready`, says that all changes from then on are told. Raises `Overloaded` where too many
        listen."""
        if len(self._subscribers) >= _MOST:
            raise Overloaded("too many listen for changes already", hint="close some of the streams", retry_after=5)
        return self._stream(_Subscriber(principal))

    def close(self) -> None:
        """End all streams, also those that come."""
        self._closed = True
        for subscriber in tuple(self._subscribers):
            subscriber.end()

    async def _stream(self, subscriber: "_Subscriber") -> AsyncGenerator[bytes, None]:
        self._subscribers.add(subscriber)
        try:
            if self._closed:
                subscriber.end()
            yield encode(b"{}", "ready")
            while (chunk := await subscriber.next()) is not None:
                yield chunk
        finally:
            self._subscribers.discard(subscriber)


class _Subscriber:
    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        self._missed = False

    def put(self, chunk: bytes) -> None:
        if self._queue.full():
            # It reads too slowly to be told each: it is told to look for itself.
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(encode(b"{}", "missed"))
        self._queue.put_nowait(chunk)

    def end(self) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def next(self) -> bytes | None:
        """None at the end."""
        try:
            async with asyncio.timeout(_SILENCE):
                return await self._queue.get()
        except TimeoutError:
            return _COMMENT
