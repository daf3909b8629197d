"""A connection to a server: one request at a time goes out, its response comes back."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, cast

import httptools

from toolgate.http.headers import Headers, media_type
from toolgate.http.heads import Heads, Last, Whole, whole

__all__ = ["EVENT_STREAM", "BrokenOffError", "Connection", "Known", "NotHttpError", "Response", "Waiter"]

EVENT_STREAM: Final = "text/event-stream"
_HEAD: Final = 128 * 1024  # bytes of a response's head
_LARGE: Final = 256 * 1024  # bytes of a body from which on it may flow
_AHEAD: Final = 256 * 1024  # bytes of a stream that are read before somebody wants them


class BrokenOffError(ConnectionError):
    """The connection ended before the response did."""


class NotHttpError(ConnectionError):
    """What came is no response."""


class Known(NamedTuple):
    """What the head of a whole response said."""

    status: int
    headers: Headers


class Waiter(Protocol):
    """Gets one of both, unless it is `done` before; a future, for instance."""

    def done(self) -> bool: ...

    def set_result(self, result: "Response", /) -> None: ...

    def set_exception(self, exception: ConnectionError, /) -> None: ...


class Response:
    """`body` is whole where the response is no stream; None where it was larger than it may be. A stream is read with
    `chunk`, and is left by `close`."""

    body: bytes | None = None
    flows = False
    """Its body is large, and comes in pieces like a stream."""
    ended = False
    on_more: "Callable[[], object] | None" = None
    """Called when more of a stream has come, or its end."""
    _size = 0
    _wanted: "asyncio.Future[None] | None" = None
    failure: ConnectionError | None = None
    """Why it ended before its end."""

    def __init__(self, connection: "Connection", status: int, headers: Headers) -> None:
        self._connection = connection
        self._ahead: list[bytes] = []
        self.status = status
        self.headers = headers
        self.media_type = media_type(headers.get(b"content-type"))
        self.is_stream = self.media_type == EVENT_STREAM

    async def chunk(self) -> bytes:
        """What has come since the last call, or comes next; empty at the end. Raises `BrokenOffError`."""
        while not self._ahead:
            if self.failure is not None:
                raise self.failure
            if self.ended:
                return b""
            self._wanted = self._connection.loop.create_future()
            await self._wanted
        chunk = self.peek()
        self.skip()
        return chunk

    def peek(self) -> bytes:
        """What `chunk` would answer now."""
        if len(self._ahead) > 1:
            self._ahead = [b"".join(self._ahead)]
        return self._ahead[0] if self._ahead else b""

    def skip(self) -> None:
        """Read what `peek` answers."""
        self._ahead.clear()
        self._size = 0
        if not self.ended:
            self._connection.read_on()

    def close(self) -> None:
        """What has not come yet is not wanted any more."""
        if not self.ended:
            self._connection.abort()

    # Called by the connection.

    def feed(self, chunk: bytes) -> int:
        """The answer is how many bytes wait to be read."""
        self._ahead.append(chunk)
        self._size += len(chunk)
        self._wake()
        return self._size

    def finish(self, failure: ConnectionError | None = None) -> None:
        self.ended = True
        self.failure = failure
        self._wake()

    def _wake(self) -> None:
        if self.on_more is not None:
            self.on_more()
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)


class Connection(asyncio.Protocol):
    """`free` is called when it can take another request, `streams` when a stream takes it for as long as that lives,
    `lost` when it never will take another."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        free: "Callable[[Connection], None]",
        streams: "Callable[[Connection], None]",
        lost: "Callable[[Connection], None]",
        heads: "Heads[Known]",
    ) -> None:
        self.loop = loop
        self.idle_since = 0.0
        self._free = free
        self._streams = streams
        self._gone = lost
        self._transport: asyncio.Transport
        self._waiter: Waiter | None = None
        self._response: Response | None = None
        self._parts: list[bytes] = []
        self._limits = (0, 0)
        self._flows = False
        self._heads = heads
        self._whole: Whole | None = None
        self._last: Last[Known] | None = None
        self._room = 0
        self._paused = False
        self.is_lost = False
        self._parser = httptools.HttpResponseParser(self)
        self._pairs: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._interim = False

    def send(
        self, head: bytes, body: bytes | None, limit: int, limit_refused: int, *, flows: bool = False
    ) -> "asyncio.Future[Response]":
        """Write a request; the answer is there with the whole body, or with the head of an event stream, and where it
        `flows` with that of a large body. A body of more than `limit` bytes (`limit_refused` where the status is not
        200) is given up, and so is the connection then.

        Raises `BrokenOffError` and `NotHttpError`. Cancelling it does not close the connection: the caller does.
        """
        answer: asyncio.Future[Response] = self.loop.create_future()
        self.send_for(answer, head, body, limit, limit_refused, flows=flows)
        return answer

    def send_for(
        self, waiter: Waiter, head: bytes, body: bytes | None, limit: int, limit_refused: int, *, flows: bool = False
    ) -> None:
        """The same for who takes the answer in the moment in which it is there."""
        self._waiter = waiter
        if self.is_lost:
            self._fail(BrokenOffError("the connection was closed"))
            return
        self._limits = limit, limit_refused
        self._flows = flows
        if body is None:
            self._transport.write(head)
        elif len(body) < _HEAD:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    @property
    def is_usable(self) -> bool:
        return not self.is_lost and not self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def read_on(self) -> None:
        if self._paused and not self.is_lost:
            self._paused = False
            self._transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of asyncio's

    def data_received(self, data: bytes) -> None:
        if self._response is None:
            if self._waiter is None:
                self._transport.abort()  # nobody has asked
                return
            if not self._pairs:
                last = self._last
                if last is not None and (body := last.body(data)) is not None:
                    self._take(last.parsed, body)
                    return
                self._whole = came = whole(data)
                if came is not None and (known := self._heads.get(came.head)) is not None:
                    self._last = Last(came, known)
                    self._take(known, came.body)
                    return
        waiter = self._waiter
        try:
            self._parser.feed_data(data)
            if waiter is not None and waiter is self._waiter:
                self._look(len(data))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(NotHttpError(type(error).__name__))
            self._transport.abort()

    def _look(self, size: int) -> None:
        """There is no answer yet: a stream is one as soon as something has come of it, with all that came at once."""
        if self._response is None:
            self._head_size += size
            if self._head_size > _HEAD:
                self._fail(NotHttpError("its head is too large"))
                self._transport.abort()
        elif self._response.is_stream and self._response.status == 200:
            self._answer(self._response)

    def _take(self, known: "Known", body: bytes) -> None:
        """A whole response whose head was parsed before."""
        response = Response(self, known.status, known.headers)
        if len(body) <= self._limits[known.status != 200]:
            response.body = body
        response.ended = True
        self.idle_since = self.loop.time()
        waiter, self._waiter = self._waiter, None
        self._free(self)  # which may begin the next request
        _tell(waiter, response)

    def eof_received(self) -> None:
        """The end of a response without a length is the end of its connection (RFC 9112, 6.3)."""
        response = self._response
        if response is None:
            return
        headers = response.headers
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            self._end(response)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self._fail(BrokenOffError("the connection was closed"))
        self._gone(self)

    def _fail(self, error: ConnectionError) -> None:
        waiter, self._waiter = self._waiter, None
        response, self._response = self._response, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if response is not None and not response.ended:
            response.finish(error)

    # The parser's events

    def on_header(self, name: bytes, value: bytes) -> None:
        self._pairs.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._interim = True
            return
        self._head_size = 0
        self._response = response = Response(self, status, Headers.of(self._pairs))
        if response.is_stream and status == 200:
            self._streams(self)
            return
        self._parts = []
        self._room = self._limits[0] if status == 200 else self._limits[1]
        announced = response.headers.get(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > self._room:
            self._give_up(response)
        elif announced is not None and self._flows and status == 200 and int(announced) > _LARGE:
            response.flows = True
            self._answer(response)

    def on_body(self, chunk: bytes) -> None:
        response = self._response
        if response is None:
            return
        if response.flows or (response.is_stream and response.status == 200):
            if response.feed(chunk) > _AHEAD and not self._paused:
                self._paused = True
                self._transport.pause_reading()
            return
        self._room -= len(chunk)
        if self._room < 0:
            self._give_up(response)
        else:
            self._parts.append(chunk)

    def on_message_complete(self) -> None:
        if self._interim:
            self._pairs, self._interim = [], False
            return
        if (response := self._response) is not None:
            self._end(response, reusable=self._parser.should_keep_alive())

    def _end(self, response: Response, *, reusable: bool = False) -> None:
        self._response = None
        if self._waiter is not None:
            parts, self._parts = self._parts, []
            response.body = parts[0] if len(parts) == 1 else b"".join(parts)
        response.finish()
        self._pairs = []
        self.read_on()
        waiter, self._waiter = self._waiter, None
        if reusable:
            came, self._whole = self._whole, None
            if came is not None and not response.is_stream and not response.flows:
                self._heads.put(came.head, Known(response.status, response.headers))
            self.idle_since = self.loop.time()
            self._free(self)  # which may begin the next request
        else:
            self._transport.close()
        _tell(waiter, response)

    def _answer(self, response: Response) -> None:
        waiter, self._waiter = self._waiter, None
        _tell(waiter, response)

    def _give_up(self, response: Response) -> None:
        """Its body is too large: it is not read to the end."""
        self._response, self._parts = None, []
        response.finish()
        self._answer(response)
        self._transport.abort()


def _tell(waiter: Waiter | None, response: Response) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(response)
