"""The small part of HTTP over ASGI that the doors need: bodies in, JSON and event streams out."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from toolgate.errors import InvalidRequest, RequestTooLarge, ToolgateError
from toolgate.protocol.envelope import error_object, failure
from toolgate.protocol.sse import encode

__all__ = ["Disconnected", "EventStream", "Receive", "Scope", "Send", "plain", "read_body", "refuse", "respond"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Head = Sequence[tuple[bytes, bytes]]

_JSON: Final = (b"content-type", b"application/json")
_STREAM: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # 2026-07-28, Streamable HTTP, Receiving Messages
)
_RETRY: Final = b"1000"  # milliseconds


class Disconnected(Exception):
    """The client went away before its request was whole."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body, of at most `limit` bytes. Raises `RequestTooLarge`, before reading where the length is announced."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not announced.isdigit():
        raise InvalidRequest("Content-Length is not a number")
    if int(announced) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the request is larger than {limit} bytes", hint="raise limits.request_bytes if it must be")


async def respond(send: Send, status: int, body: bytes, head: Head = ()) -> None:
    """A whole JSON response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *head]})
    await send({"type": "http.response.body", "body": body})


async def plain(send: Send, status: int, head: Head = ()) -> None:
    """A response without a body."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *head]})
    await send({"type": "http.response.body", "body": b""})


async def refuse(send: Send, error: ToolgateError, key: bytes | None = None, head: Head = ()) -> None:
    """The error as JSON-RPC, under the error's own HTTP status."""
    await respond(send, error.http, failure(key, error_object(error)), head)


class EventStream:
    """A `text/event-stream` response; it begins with the first message."""

    __slots__ = ("_head", "_send", "begun")

    def __init__(self, send: Send, head: Head = ()) -> None:
        self._send = send
        self._head = head
        self.begun = False

    async def begin(self) -> None:
        if not self.begun:
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": [*_STREAM, *self._head]})

    async def message(self, message: bytes, event_id: str | None = None) -> None:
        await self.begin()
        await self._body(encode(message, id=event_id))

    async def event(self, name: str, data: bytes) -> None:
        """One that is no message."""
        await self.begin()
        await self._body(encode(data, name))

    async def prime(self, event_id: str) -> None:
        """An id without a message, from which a client can resume when nothing else has come yet, and when to
        (2025-11-25, Streamable HTTP, Sending Messages). Clients of earlier revisions take it for a broken message."""
        await self.begin()
        await self._body(b"id: " + event_id.encode() + b"\nretry: " + _RETRY + b"\ndata: \n\n")

    async def comment(self) -> None:
        """Keeps the connection from being taken for dead; clients ignore it."""
        await self.begin()
        await self._body(b": \r\n\r\n")

    async def end(self) -> None:
        await self.begin()
        await self._send({"type": "http.response.body", "body": b""})

    async def _body(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
