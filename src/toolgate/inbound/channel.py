"""The bounded ways between the loop that reads a server and what a client reads."""

import asyncio
import logging
from collections import deque
from typing import Final

from toolgate.errors import CannotAsk
from toolgate.http.request import Head, Request
from toolgate.inbound.wire import EventStream
from toolgate.pipeline.call import Flow, Reply

__all__ = ["DirectChannel", "QueueChannel"]

log = logging.getLogger(__name__)

_LIMIT: Final = 1_000  # messages; a client this far behind does not read what it asked for
_JSON: Final = (b"content-type", b"application/json")
_BACKLOG: Final = 4 * 1024 * 1024  # bytes


class DirectChannel:
    """Implements `pipeline.call.Channel` for a client that has only this one connection: what is sent goes out at once,
    on an event stream that begins with it."""

    __slots__ = ("_head", "_request")

    def __init__(self, request: Request, head: Head) -> None:
        self._request = request
        self._head = head
        request.on_silence = self._comment

    def send(self, message: bytes) -> bool:
        if self._request.backlog > _BACKLOG:
            return False
        EventStream(self._request, self._head).put(message)
        return True

    def _comment(self) -> None:
        EventStream(self._request, self._head).comment()

    async def ask(self, method: str, params: bytes | None) -> Reply:
        """Nobody can be asked here."""
        raise CannotAsk(f"this client cannot be asked for {method}")

    async def pour(self, opening: bytes, flow: Flow) -> None:
        """A large response as it comes; whole where it has to go on a stream. What breaks off on the way breaks the
        client's connection off: half of it must not look like all."""
        request = self._request
        try:
            if request.begun:
                chunks = [opening]
                while chunk := await flow.chunk():
                    chunks.append(chunk)  # they come one after the other
                self.close(200, b"".join(chunks))
                return
            request.begin(200, (_JSON, *self._head), length=len(opening) + flow.length)
            request.write(opening)
            while chunk := await flow.chunk():
                request.write(chunk)
                await request.drained()
            request.end()
        except (ConnectionError, TimeoutError) as error:
            log.warning("a large result broke off: %s", error)
            request.abort()
        finally:
            flow.close()

    def close(self, status: int, body: bytes) -> None:
        """The response itself: on the stream if there is one, else as JSON."""
        if self._request.begun:
            EventStream(self._request, self._head).put(body)
            self._request.end()
        else:
            self._request.respond(status, body, self._head)


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
