"""One request that came in, and the way to answer it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

from toolgate.http.headers import Headers

__all__ = ["Answer", "Head", "Request", "Wire"]

Head = Sequence[tuple[bytes, bytes]]

_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_JSON: Final = b"content-type: application/json\r\n"
_BODILESS: Final = frozenset({204, 304})
_APART: Final = 64 * 1024  # bytes from which on a body is not copied behind its head


class Wire(Protocol):
    """The connection that a request came over."""

    def write(self, *parts: bytes) -> None: ...

    async def drained(self) -> None:
        """Wait until what was written is on its way. Returns at once where the client reads, or is gone."""
        ...

    def serve(self, work: Awaitable[None]) -> None:
        """Let a task do the work on the request that is being answered."""
        ...

    def cancel(self) -> None:
        """End the work on the request that is being answered."""
        ...

    def abort(self) -> None:
        """Break the connection off."""
        ...

    def answered(self, request: "Request") -> None:
        """The whole answer was written."""
        ...

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client to read."""
        ...

    @property
    def date(self) -> bytes:
        """The header line of that name."""
        ...


class Answer:
    """A whole answer that was decided before its turn came."""

    __slots__ = ("body", "head", "status")

    def __init__(self, status: int, body: bytes, head: Head = ()) -> None:
        self.status = status
        self.body = body
        self.head = head


class Request:
    """Its body is whole. Answered by `respond`, or by `begin`, `write` … `end`.

    `gone` is true once the client has closed the connection, and `on_gone` is called at that moment. `on_silence` is
    called from time to time while nothing is written. `on_task` is called where a task is needed that can be waited for
    or cancelled, and there is none yet: it calls `serve`. `context` is whatever the application notes between the head
    and the body. `again`: its head came before, so that `headers` is the same object as then.
    """

    body = b""
    keep_alive = False
    context: Any = None
    begun = False
    done = False
    gone = False
    spoke = 0.0
    on_gone: Callable[[], object] | None = None
    on_silence: Callable[[], object] | None = None
    on_task: Callable[[], object] | None = None
    again = False
    _chunked = False

    def __init__(self, wire: Wire, method: str, path: str, query: str, version: str, headers: Headers) -> None:
        self._wire = wire
        self.method = method
        self.path = path
        self.query = query
        self.version = version
        self.headers = headers

    def respond(self, status: int, body: bytes = b"", head: Head = (), content: bytes = _JSON) -> None:
        """All at once. `content` is the line that names the body's type."""
        if self.begun:
            raise RuntimeError("the answer has begun already")
        self.begun = True
        self._finished()
        if self.gone:
            return
        size = len(body)
        if not size:
            length = b"\r\n" if status in _BODILESS else b"content-length: 0\r\n\r\n"
            self._wire.write(self._head(status, head) + length)
        else:
            lines = b"%b%bcontent-length: %d\r\n\r\n" % (self._head(status, head), content, size)
            if self.method == "HEAD":
                self._wire.write(lines)
            elif size < _APART:
                self._wire.write(lines + body)
            else:
                self._wire.write(lines, body)
        self._wire.answered(self)

    def begin(self, status: int, head: Head = (), length: int | None = None) -> None:
        """The answer's head; its body follows in pieces, of `length` bytes together where that is known."""
        self.begun = True
        if self.gone:
            return
        if length is not None:
            framing = b"content-length: %d\r\n\r\n" % length
        elif self.version == "1.1":
            self._chunked = True
            framing = b"transfer-encoding: chunked\r\n\r\n"
        else:
            self.keep_alive = False  # the end of the connection is the end of the body
            framing = b"\r\n"
        self._wire.write(self._head(status, head) + framing)

    def write(self, chunk: bytes) -> None:
        if self.gone or not chunk:
            return
        if not self._chunked:
            self._wire.write(chunk)
        elif len(chunk) < _APART:
            self._wire.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        else:
            self._wire.write(b"%x\r\n" % len(chunk), chunk, b"\r\n")

    def end(self) -> None:
        if self.done:
            return
        self._finished()
        if self.gone:
            return
        if self._chunked:
            self._wire.write(b"0\r\n\r\n")
        self._wire.answered(self)

    def _finished(self) -> None:
        self.done = True
        # Those who waited hold this request: a circle that only the collector would find.
        self.on_gone = self.on_silence = self.on_task = None

    def serve(self, work: Awaitable[None]) -> None:
        """Let a task answer it."""
        self.on_task = None
        self._wire.serve(work)

    def cancel(self) -> None:
        """End the task that answers it."""
        self._wire.cancel()

    def abort(self) -> None:
        """Break the connection off, so that what was written does not look whole."""
        self._finished()
        self._wire.abort()

    async def drained(self) -> None:
        await self._wire.drained()

    @property
    def backlog(self) -> int:
        return self._wire.backlog

    async def left(self) -> None:
        """Wait until the client has gone."""
        if self.gone:
            return
        gone = asyncio.Event()
        self.on_gone = gone.set
        await gone.wait()

    def _head(self, status: int, head: Head) -> bytes:
        lines = _LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        lines += self._wire.date
        for name, value in head:
            lines += b"%b: %b\r\n" % (name, value)
        if not self.keep_alive:
            lines += b"connection: close\r\n"
        return lines
