"""A connection that a client opened: requests are read off it, and answered in the order in which they came."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from typing import Final, cast

import httptools

from toolgate.http.headers import NO_HEADERS, Headers
from toolgate.http.heads import Last, Whole, whole
from toolgate.http.house import House
from toolgate.http.request import Answer, Request
from toolgate.http.target import RefusedError, Target, can_come_again, has_body, target_of

__all__ = ["SILENCE", "Connection"]

_HEAD: Final = 64 * 1024  # bytes of a request line and its headers
_FIELDS: Final = 200  # header fields
_PIPELINED: Final = 32  # requests that wait behind the one that is being answered
_IDLE: Final = 75.0  # seconds that an idle connection is kept: longer than most clients' pools do
_HEAD_TIME: Final = 30.0  # seconds for a head to come
_BODY_SILENCE: Final = 30.0  # seconds without a byte of a body
_STALLED: Final = 60.0  # seconds that a client may leave what was written to it unread
SILENCE: Final = 15.0  # seconds without a word to a client that waits
_LINGER: Final = 5.0  # seconds that are read on after an answer that came before the end of its request
_PENALTY: Final = 0.1  # seconds until a client that was turned away is listened to again: to refuse costs time too

_TOO_MUCH: Final = Answer(431, b"the head of the request is too large")

log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Implements `request.Wire`. One request is answered at a time; those that follow wait."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._pairs: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._incoming: Request | None = None  # its body is on its way
        self._refused: Answer | None = None
        self._parts: list[bytes] = []
        self._room = 0
        self._waiting: deque[tuple[Request, Answer | None]] = deque()
        self._active: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused_at = 0.0
        self._receiving = False
        self._reads_head = False
        self._time = house.loop.time
        self._began = 0.0
        self._heard = 0.0
        self._lingers = False
        self._lost = False
        self._whole: Whole | None = None
        self._last: Last[Target] | None = None
        self._owed = 0  # bytes of a body that the parser does not read

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of asyncio's
        self._heard = self._time()
        if self._house.closing:
            transport.close()
        self._house.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._house.connections.discard(self)
        self._waiting.clear()
        self._writable()
        request, self._active = self._active, None
        if request is not None and not request.done:
            request.gone = True
            if request.on_gone is not None:
                request.on_gone()

    def data_received(self, data: bytes) -> None:
        self._heard = self._time()
        if self._lingers:
            return
        if self._owed:
            self._receive_owed(data)
            return
        if self._receiving or self._active is not None or not self._again(data):
            self._feed(data)

    def _again(self, data: bytes) -> bool:
        """Take a whole request whose head was parsed before; False where it is none."""
        last = self._last
        if last is not None and (body := last.body(data)) is not None:
            self._take(last.parsed, body)
            return True
        self._whole = came = whole(data)
        if came is None or (target := self._house.heads.get(came.head)) is None:
            return False
        self._last = Last(came, target)
        self._take(target, came.body)
        return True

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
            if self._reads_head:
                self._head_size += len(data)
                if self._head_size > _HEAD:
                    self._fail(_TOO_MUCH)
        except httptools.HttpParserUpgrade as upgrade:
            # Nobody has to take up an offer to switch protocols (RFC 9110, 7.8). The parser takes what follows the head
            # for the other protocol; it is the body, and then the next request.
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, RefusedError):
                self._fail(error.__context__.answer)
            else:
                log.exception("a request could not be read")
                self._fail(Answer(500, b""))
        except httptools.HttpParserError:
            self._fail(Answer(400, b"this is not HTTP"))

    def _take(self, target: Target, body: bytes) -> None:
        self._began = self._heard
        request = Request(self, target.method, target.path, target.query, "1.1", target.headers)
        admitted = self._house.app.admit(request)
        if not isinstance(admitted, Answer):
            if len(body) <= admitted:
                request.body = body
                request.keep_alive = request.again = True
                self._start(request, None)
                return
            admitted = self._house.app.too_large()
        self._fail(admitted, request)

    def eof_received(self) -> None: ...  # a client that has closed its side is taken for gone

    def pause_writing(self) -> None:
        self._paused_at = self._time()
        self._drained = self._house.loop.create_future()

    def resume_writing(self) -> None:
        self._writable()

    def _writable(self) -> None:
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None

    # The parser's events

    def on_message_begin(self) -> None:
        self._url = b""
        self._pairs = []
        self._head_size = 0
        self._reads_head = self._receiving = True
        self._began = self._heard

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._pairs.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._reads_head = False
        if self._lingers:
            return
        if len(self._pairs) > _FIELDS:
            raise RefusedError(_TOO_MUCH)
        headers = Headers.of(self._pairs)
        path, query = target_of(self._url)
        parser = self._parser
        request = Request(self, parser.get_method().decode("ascii"), path, query, parser.get_http_version(), headers)
        self._incoming, self._parts = request, []
        admitted = self._house.app.admit(request)
        if isinstance(admitted, Answer):
            self._refused, self._room = admitted, 0
            if self._active is None and has_body(headers):
                self._fail(admitted, request)
            return
        self._refused, self._room = None, admitted
        if self._active is None and headers.get(b"expect") == b"100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        if self._refused is not None or self._incoming is None:
            return
        self._room -= len(chunk)
        if self._room >= 0:
            self._parts.append(chunk)
            return
        self._parts.clear()
        self._refused = self._house.app.too_large()
        if self._active is None:
            self._fail(self._refused, self._incoming)

    def on_message_complete(self) -> None:
        request = self._incoming
        if request is None or self._lingers:
            return
        if self._parser.should_upgrade() and has_body(request.headers):
            if b"transfer-encoding" in request.headers:
                raise RefusedError(Answer(400, b"an offer to switch protocols has a body of known length"))
            self._owed = int(request.headers[b"content-length"])
            return
        self._received(request, keep_alive=self._parser.should_keep_alive())

    def _receive_owed(self, data: bytes) -> None:
        """The body of a request that the parser does not read."""
        body, rest = data[: self._owed], data[self._owed :]
        self._owed -= len(body)
        self.on_body(body)
        if not self._owed and not self._lingers and self._incoming is not None:
            self._received(self._incoming, keep_alive=True)
        if rest:
            self.data_received(rest)

    def _received(self, request: Request, *, keep_alive: bool) -> None:
        """The whole of a request has come."""
        self._receiving = False
        self._incoming = None
        parts = self._parts
        request.body = parts[0] if len(parts) == 1 else b"".join(parts)
        request.keep_alive = keep_alive and request.version == "1.1"
        if self._active is None:
            came, self._whole = self._whole, None
            if came is not None and request.keep_alive and self._refused is None and can_come_again(request.headers):
                target = Target(request.method, request.path, request.query, request.headers)
                self._house.heads.put(came.head, target)
            self._start(request, self._refused)
        elif len(self._waiting) >= _PIPELINED:
            self._fail(Answer(503, b"too many requests in one go"))
        else:
            self._waiting.append((request, self._refused))
            self._transport.pause_reading()

    # One after the other

    def _start(self, request: Request, refused: Answer | None) -> None:
        self._active = request
        request.spoke = self._heard
        if self._house.closing:
            request.keep_alive = False
        if refused is not None:
            request.respond(refused.status, refused.body, refused.head)
        elif not self._house.start(self, self._heard):
            busy = self._house.app.too_busy()
            self._transport.pause_reading()
            self._house.loop.call_later(_PENALTY, self._listen_again)
            request.respond(busy.status, busy.body, busy.head)

    def run(self) -> None:
        """Begin to answer."""
        request = self._active
        if request is None:
            return
        try:
            taken = request.again and self._house.app.at_once(request)
        except Exception:  # as in `_serve`
            log.exception("%s %s failed", request.method, request.path)
            self._break_off(request)
        else:
            if not taken:
                self.serve(self._house.app(request))

    def _listen_again(self) -> None:
        if not self._lost and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _serve(self, request: Request, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:  # the last boundary before the client: what it is about is in the log
            log.exception("%s %s failed", request.method, request.path)
        finally:
            if not request.done and not self._lost:
                self._break_off(request)

    def _break_off(self, request: Request) -> None:
        """An answer that has begun and will not end must not look as if it had."""
        if request.begun:
            self._transport.abort()
        else:
            request.keep_alive = False
            request.respond(500)

    def answered(self, request: Request) -> None:
        if request is not self._active:
            return
        self._active = self._task = None
        self._heard = self._time()
        if not request.keep_alive:
            self._transport.close()
        elif self._waiting:
            self._house.loop.call_soon(self._next)

    def _next(self) -> None:
        if self._waiting and self._active is None and not self._lost:
            self._start(*self._waiting.popleft())
            if not self._waiting:
                self._transport.resume_reading()

    def _fail(self, answer: Answer, request: Request | None = None) -> None:
        """Answer at once and close; what still comes of the request is read and thrown away for a while, since closing
        with it unread would take the answer away from the client too."""
        if self._lingers:
            return
        self._lingers, self._receiving = True, False
        self._waiting.clear()
        if self._active is not None:
            self._transport.close()  # whatever is wrong came behind a request that is not answered yet
            return
        request = request or Request(self, "GET", "", "", "1.1", NO_HEADERS)
        self._incoming, self._active = None, request
        request.keep_alive = True  # the connection is closed below, once the client has had time to read
        head = (*answer.head, (b"connection", b"close"))
        content = b"content-type: text/plain\r\n" if answer.body[:1] != b"{" else b"content-type: application/json\r\n"
        request.respond(answer.status, answer.body, head, content)
        if self._transport.can_write_eof():
            self._transport.write_eof()

    # request.Wire

    def serve(self, work: Awaitable[None]) -> None:
        if self._active is not None:
            self._task = self._house.loop.create_task(self._serve(self._active, work))

    def cancel(self) -> None:
        if (task := self.task) is not None:
            task.cancel()

    def write(self, *parts: bytes) -> None:
        if self._lost or self._transport.is_closing():
            return
        if self._active is not None:
            self._active.spoke = self._time()
        if len(parts) == 1:
            self._transport.write(parts[0])
        else:
            self._transport.writelines(parts)

    async def drained(self) -> None:
        if self._drained is not None:
            await asyncio.shield(self._drained)

    @property
    def backlog(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def date(self) -> bytes:
        return self._house.date

    # Looked at from time to time

    def look(self, now: float) -> None:
        """End what has taken too long, and speak up where a client has waited in silence."""
        if self._drained is not None and now - self._paused_at > _STALLED:
            self._transport.abort()
        elif self._active is not None:
            if self._active.on_silence is not None and now - self._active.spoke > SILENCE:
                self._active.on_silence()
        elif self._lingers:
            if now - self._heard > _LINGER or now - self._began > 4 * _LINGER:
                self._transport.abort()
        elif self._incoming is not None:
            if now - self._heard > _BODY_SILENCE:
                self._fail(Answer(408, b"the rest of the request did not come"))
        elif self._receiving:
            if now - self._began > _HEAD_TIME:
                self._fail(Answer(408, b"the rest of the request did not come"))
        elif now - self._heard > _IDLE:
            self._transport.close()

    def shut(self) -> None:
        """Close now if idle, else after the answer that is under way."""
        if self._active is None:
            self._transport.close()
        else:
            self._active.keep_alive = False
            self._waiting.clear()

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """Which answers; made now where the request could do without until now."""
        if self._task is None and self._active is not None and self._active.on_task is not None:
            self._active.on_task()
        return self._task

    def abort(self) -> None:
        self._transport.abort()
