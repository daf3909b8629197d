"""JSON-RPC and event streams as answers to HTTP requests."""

from math import ceil
from typing import Final

from toolgate.errors import ToolgateError
from toolgate.http.request import Answer, Head, Request
from toolgate.protocol.envelope import error_object, failure
from toolgate.protocol.sse import encode

__all__ = ["EventStream", "refuse", "refused"]

_STREAM: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # 2026-07-28, Streamable HTTP, Receiving Messages
)
_RETRY: Final = b"1000"  # milliseconds


def refused(error: ToolgateError, key: bytes | None = None, head: Head = ()) -> Answer:
    """The error as JSON-RPC, under the error's own HTTP status."""
    after = error.details.get("retry_after")
    if after is not None:
        head = (*head, (b"retry-after", b"%d" % max(1, ceil(after))))  # RFC 9110, 10.2.3: whole seconds
    return Answer(error.http, failure(key, error_object(error)), head)


def refuse(request: Request, error: ToolgateError, key: bytes | None = None, head: Head = ()) -> None:
    answer = refused(error, key, head)
    request.respond(answer.status, answer.body, answer.head)


class EventStream:
    """A `text/event-stream` response; it begins with the first message. Each waits until the client has room for more,
    or is gone."""

    __slots__ = ("_head", "_request")

    def __init__(self, request: Request, head: Head = ()) -> None:
        self._request = request
        self._head = head

    @property
    def begun(self) -> bool:
        return self._request.begun

    def begin(self) -> None:
        if not self._request.begun:
            self._request.begin(200, (*_STREAM, *self._head))

    def put(self, message: bytes) -> None:
        """Does not wait: whoever calls it looks at the backlog."""
        self.begin()
        self._request.write(encode(message))

    async def message(self, message: bytes, event_id: str | None = None) -> None:
        await self._body(encode(message, id=event_id))

    async def event(self, name: str, data: bytes) -> None:
        """One that is no message."""
        await self._body(encode(data, name))

    async def prime(self, event_id: str) -> None:
        """An id without a message, from which a client can resume when nothing else has come yet, and when to
        (2025-11-25, Streamable HTTP, Sending Messages). Clients of earlier revisions take it for a broken message."""
        await self._body(b"id: " + event_id.encode() + b"\nretry: " + _RETRY + b"\ndata: \n\n")

    def comment(self) -> None:
        """Keeps the connection from being taken for dead; clients ignore it."""
        self.begin()
        self._request.write(b": \r\n\r\n")

    def end(self) -> None:
        self.begin()
        self._request.end()

    async def _body(self, chunk: bytes) -> None:
        self.begin()
        self._request.write(chunk)
        await self._request.drained()
