"""The bounded ways between the loop that reads a server and what a client reads."""

import asyncio
from collections import deque
from typing import Final

from toolgate.errors import CannotAsk
from toolgate.http.request import Head, Request
from toolgate.inbound.wire import EventStream
from toolgate.pipeline.call import Reply

__all__ = ["DirectChannel", "QueueChannel"]

_LIMIT: Final = 1_000  # messages; a client this far behind does not read what it asked for
_BACKLOG: Final = 4 * 1024 * 1024  # bytes


class DirectChannel:
    """Implements `pipeline.call.Channel` for a client that has only this one connection: what is sent goes out at once,
    on an event stream that begins with it."""

    __slots__ = ("_request", "_stream")

    def __init__(self, request: Request, head: Head) -> None:
        self._request = request
        self._stream = EventStream(request, head)
        request.on_silence = self._stream.comment

    def send(self, message: bytes) -> bool:
        if self._request.backlog > _BACKLOG:
            return False
        self._stream.put(message)
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        """Nobody can be asked here."""
        raise CannotAsk(f"this client cannot be asked for {method}")

    def close(self, status: int, body: bytes, head: Head) -> None:
        """The response itself: on the stream if there is one, else as JSON."""
        if self._request.begun:
            self._stream.put(body)
            self._stream.end()
        else:
            self._request.respond(status, body, head)


class QueueChannel:
    """Implements `pipeline.call.Channel`. One reader; `wake()` is also how its other events reach that reader."""

    __slots__ = ("_awake", "_messages", "_silent")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._awake = asyncio.Event()
        self._silent = False

    def send(self, message: bytes) -> bool:
        if len(self._messages) >= _LIMIT:
            return False
        self._messages.append(message)
        self._awake.set()
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        """Nobody can be asked here."""
        raise CannotAsk(f"this client cannot be asked for {method}")

    def wake(self, _: object = None) -> None:
        self._awake.set()

    def break_silence(self) -> None:
        """Nothing was said for long: the reader is woken, and told so."""
        self._silent = True
        self._awake.set()

    async def woken(self) -> bool:
        """Wait for a message or a `wake()`; False where it is only the silence that has to be broken."""
        await self._awake.wait()
        self._awake.clear()
        silent, self._silent = self._silent, False
        return not silent or bool(self._messages)

    def taken(self) -> list[bytes]:
        """All that is queued, which leaves the queue empty."""
        messages = list(self._messages)
        self._messages.clear()
        return messages
