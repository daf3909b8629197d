"""One server's URL: requests go out, JSON-RPC messages come back, and every failure has words.

Nothing here prints more of a URL than its origin, and nothing is ever sent twice.
"""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import UNSET
from yarl import URL

from toolgate import __version__
from toolgate.errors import ProtocolError, ServerUnavailable
from toolgate.http.client import EVENT_STREAM, BrokenOffError, NotHttpError, Response
from toolgate.http.headers import Headers
from toolgate.http.pool import CONNECT, ConnectTimeoutError, Line, Pool, Target
from toolgate.pipeline.call import Flow
from toolgate.protocol import envelope, sse
from toolgate.protocol.envelope import Message
from toolgate.protocol.headers import LAST_EVENT_ID
from toolgate.runtime.base import Redact
from toolgate.upstream import failures, relay
from toolgate.upstream.deadline import Alarms
from toolgate.upstream.resolved import Address
from toolgate.upstream.sent import Sent
from toolgate.upstream.stream import Left, Reading

__all__ = ["EVENT_STREAM", "Answer", "Endpoint", "Listen", "Unreachable", "header_lines"]

Listen = Callable[[Message], None]
"""Gets each message of a stream that is not the awaited answer. What it raises ends the request."""

_BOTH: Final = b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
_STREAM: Final = b"Accept: text/event-stream\r\n"
_OURS: Final = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "keep-alive", "te",
    "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Header fields that a definition cannot change: the framing is ours, and so is what we can read."""

_FAILURES: Final = (sse.EventTooLarge, OSError)
# A response up to its result, where that comes last, as most servers write it.
_OPENING: Final = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,19})\s*,\s*"result"\s*:\s*')
_SILENCE: Final = 30.0  # seconds within which more of a large result has to come
_REFUSAL: Final = 64 * 1024  # bytes read of an answer that is no success
_RETRY: Final = 1.0  # seconds before a stream is resumed, where its server names none
_RESUMES: Final = 100


class _Elsewhere:
    """No answer will come here."""


_ELSEWHERE: Final = _Elsewhere()


class _Flow:
    """Implements `pipeline.call.Flow`."""

    def __init__(self, response: Response, begun: bytes, length: int) -> None:
        self._response = response
        self._begun = begun
        self.length = length

    async def chunk(self) -> bytes:
        if self._begun:
            begun, self._begun = self._begun, b""
            return begun
        async with asyncio.timeout(_SILENCE):
            return await self._response.chunk()

    def close(self) -> None:
        self._response.close()


def header_lines(fields: Mapping[str, str]) -> bytes:
    return b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in fields.items())


class Unreachable(ServerUnavailable):
    """There was no connection, so nothing was sent."""


class Answer(msgspec.Struct, frozen=True):
    """What a request came to. `message` is the JSON-RPC response: the one with the request's id, or an error without
    any; None where there was none."""

    status: int
    media_type: str
    headers: Headers
    message: Message | None
    flow: Flow | None = None


class Endpoint:
    """`limit` bounds one answer, and one event of a stream, in bytes."""

    def __init__(self, server: str, address: Address, pool: Pool, redact: Redact, limit: int) -> None:
        self.server = server
        self.origin = address.origin
        self.redact = redact
        self.limit = limit
        self._address = address
        self._pool = pool
        self._line = pool.to(_target(address.url))
        self._path = address.url.raw_path_qs.encode()
        self._fixed = _fixed(address)
        # What may also come with a request, and then counts instead.
        self._movable = {name: value for name, value in address.headers.items() if _is_movable(name)}
        self._alarms = Alarms()

    async def ask(
        self,
        key: bytes,
        body: bytes,
        lines: bytes,
        listen: Listen,
        *,
        resume: bool = False,
        flows: bool = False,
        sent: Sent | None = None,
    ) -> Answer:
        """POST a request and wait for its answer. `resume`: a stream with event ids may break off and is then taken
        up again where it was (2025-11-25, Streamable HTTP, Resumability and Redelivery). What was `sent` already is
        only waited for."""
        try:
            response = await (self._post(body, lines, flows=flows) if sent is None else self._come(sent))
            if response.flows:
                flow, message = await self._flowing(response, key, listen)
                return Answer(response.status, response.media_type, response.headers, message, flow)
            if response.media_type != EVENT_STREAM or response.status != 200:
                message = self._from_body(response, key, listen)
            else:
                try:
                    message = await self._from_stream(response, key, lines, listen, resume=resume)
                except BaseException:
                    response.close()
                    raise
                self.leave(response)
        except _FAILURES as error:
            raise self._explained(error) from None
        return Answer(response.status, response.media_type, response.headers, message)

    async def _post(self, body: bytes, lines: bytes, *, flows: bool) -> Response:
        connection = self._line.free() or await self._line.connection()
        try:
            head = self._head(b"POST", _BOTH + lines, body)
            return await connection.send(head, body, self.limit, _REFUSAL, flows=flows)
        except BaseException:
            connection.abort()  # for a modern server this is the cancellation
            raise

    async def _come(self, sent: Sent) -> Response:
        try:
            response: Response = await sent.outcome()
        except BaseException:
            sent.connection.abort()
            raise
        return response

    def opening(self, lines: bytes) -> bytes | None:
        """What every POST with these lines begins with; None where it is not always the same."""
        return None if self._movable else b"POST %b%b%b" % (self._path, self._fixed, _BOTH + lines)

    @property
    def line(self) -> Line:
        return self._line

    @property
    def limits(self) -> tuple[int, int]:
        """See `http.client.Connection.send`."""
        return self.limit, _REFUSAL

    async def tell(self, body: bytes, lines: bytes = b"") -> int:
        """POST what has no answer: a notification or a response. The answer is the HTTP status."""
        try:
            response = await self._open(b"POST", _BOTH + lines, body)
        except _FAILURES as error:
            raise self._explained(error) from None
        self.leave(response)
        return response.status

    async def end_session(self, lines: bytes) -> int:
        try:
            response = await self._open(b"DELETE", lines)
        except _FAILURES as error:
            raise self._explained(error) from None
        self.leave(response)
        return response.status

    async def follow(self, lines: bytes, decoder: sse.Decoder, listen: Listen) -> int:
        """GET the stream of what belongs to no request, to its end. The answer is the HTTP status; where that is not
        200 or the answer no stream (then 0), there was nothing to follow."""
        try:
            response = await self._open(b"GET", _STREAM + lines)
            try:
                if response.status == 200 and not response.is_stream:
                    return 0
                if response.status == 200:
                    await self._read(response, decoder, None, listen)
                return response.status
            finally:
                response.close()
        except _FAILURES as error:
            raise self._explained(error) from None

    async def events(self, decoder: sse.Decoder, take: Callable[[sse.Event], None]) -> Answer:
        """GET a stream of events and take each, to its end. Where there is no stream the answer says what there is."""
        try:
            response = await self._open(b"GET", _STREAM)
            try:
                if response.status == 200 and response.is_stream:
                    while chunk := await response.chunk():
                        for event in decoder.feed(chunk):
                            take(event)
                return Answer(response.status, response.media_type, response.headers, None)
            finally:
                response.close()
        except _FAILURES as error:
            raise self._explained(error) from None

    def beside(self, reference: str) -> "Endpoint | None":
        """The same server at another URL, which may be relative to this one; None where the origin is another."""
        try:
            url = self._address.url.join(URL(reference)).with_user(None)
            if url.origin() != self._address.url.origin():
                return None
        except ValueError:
            return None
        address = Address(url, self.origin, self._address.headers)
        return Endpoint(self.server, address, self._pool, self.redact, self.limit)

    def decoder(self, oversized: sse.Oversized | None = None) -> sse.Decoder:
        return sse.Decoder(self.limit, oversized)

    async def close(self) -> None:
        self._alarms.end()

    async def _open(self, method: bytes, lines: bytes, body: bytes | None = None) -> Response:
        connection = self._line.free() or await self._line.connection()
        try:
            return await connection.send(self._head(method, lines, body), body, self.limit, _REFUSAL)
        except BaseException:
            connection.abort()
            raise

    def _head(self, method: bytes, lines: bytes, body: bytes | None) -> bytes:
        if self._movable:
            given = {line.partition(b":")[0].lower().decode() for line in lines.split(b"\r\n")}
            lines += header_lines({name: text for name, text in self._movable.items() if name.lower() not in given})
        if body is None:
            return b"%b %b%b%b\r\n" % (method, self._path, self._fixed, lines)
        return b"%b %b%b%bContent-Length: %d\r\n\r\n" % (method, self._path, self._fixed, lines, len(body))

    async def _flowing(self, response: Response, key: bytes, listen: Listen) -> tuple[Flow | None, Message | None]:
        """A large result from where it begins; read whole where something else stands before it."""
        try:
            begun = await response.chunk()
            opening = _OPENING.match(begun)
            if opening is not None and opening[1] == key:
                length = int(response.headers[b"content-length"]) - opening.end()
                return _Flow(response, begun[opening.end() :], length), None
            chunks = [begun]
            while chunk := await response.chunk():
                chunks.append(chunk)
            return None, _answer_in(b"".join(chunks), key, listen)
        except BaseException:
            response.close()
            raise

    def _from_body(self, response: Response, key: bytes, listen: Listen) -> Message | None:
        if response.body is None:
            if response.status == 200:
                raise failures.too_large(self.server, 0, self.limit)
            return None
        return _answer_in(response.body, key, listen)

    async def _from_stream(
        self, response: Response, key: bytes, lines: bytes, listen: Listen, *, resume: bool
    ) -> Message | None:
        decoder = self.decoder()
        message = await self._read(response, decoder, key, listen)
        for _ in range(_RESUMES):
            if message is not None or not resume or not decoder.last_id:
                break
            await asyncio.sleep(_RETRY if decoder.retry is None else decoder.retry / 1000)
            again = await self._open(b"GET", _STREAM + lines + header_lines({LAST_EVENT_ID: decoder.last_id}))
            try:
                if again.status != 200 or not again.is_stream:
                    break
                decoder = self._continued(decoder)
                message = await self._read(again, decoder, key, listen)
            finally:
                again.close()
        return message

    def _continued(self, before: sse.Decoder) -> sse.Decoder:
        decoder = self.decoder()
        decoder.last_id, decoder.retry = before.last_id, before.retry
        return decoder

    async def _read(
        self, response: Response, decoder: sse.Decoder, key: bytes | None, listen: Listen
    ) -> Message | None:
        def take(event: sse.Event) -> Message | _Elsewhere | None:
            if event.event == "message":
                return _answer_in(event.data, key, listen)
            # HTTP+SSE, which takes a POST for a GET: no answer will come on this stream
            return _ELSEWHERE if event.event == "endpoint" and key is not None else None

        found = await Reading(response, decoder, take).found
        return found if isinstance(found, Message) else None

    def leave(self, response: Response) -> None:
        """What still comes of it is read and thrown away for a moment, so that its connection can be used again."""
        response.skip()
        if not response.ended:
            Left(response, self._alarms)

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, sse.EventTooLarge):
            return failures.too_large(self.server, 0, self.limit)
        if isinstance(error, BrokenOffError):
            return failures.ended(self.server, f"broke the connection to {self.origin} off before it answered")
        if isinstance(error, NotHttpError):
            return failures.ended(self.server, f"answered at {self.origin} what is not HTTP ({error})")
        if isinstance(error, socket.gaierror):
            return Unreachable(f"cannot be reached: the name in {self.origin} does not resolve")
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = error.verify_message or "it is not valid"
            return Unreachable(f"has a TLS certificate that is not trusted ({self.origin}): {reason}")
        if isinstance(error, ssl.SSLError):
            return Unreachable(f"cannot be reached: no TLS connection to {self.origin} came about")
        if isinstance(error, ConnectTimeoutError):
            return Unreachable(f"cannot be reached at {self.origin}: no connection within {CONNECT:g} s")
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number).lower() if number else "no connection"
        return Unreachable(f"cannot be reached at {self.origin}: {reason}")


def _target(url: URL) -> Target:
    return Target(url.host or "", url.port or 80, url.scheme == "https")


def _fixed(address: Address) -> bytes:
    """What every request begins with, after its path."""
    own = {name.lower(): value for name, value in address.headers.items()}
    lines = {
        "Host": own.pop("host", address.url.host_port_subcomponent or ""),
        "User-Agent": own.pop("user-agent", f"toolgate/{__version__}"),
        "Accept-Encoding": "identity",
        **{name: value for name, value in address.headers.items() if name.lower() in own and not _is_movable(name)},
    }
    shown = {name: value for name, value in lines.items() if name == "Accept-Encoding" or name.lower() not in _OURS}
    return b" HTTP/1.1\r\n" + header_lines(shown)


def _is_movable(name: str) -> bool:
    return name.lower().startswith("mcp-") or name.lower() == LAST_EVENT_ID.lower()


def _answer_in(data: bytes, key: bytes | None, listen: Listen) -> Message | None:
    try:
        if data[:1] == b"{":
            message = envelope.parse(data)
            if message.method is UNSET and message.key == key:
                return message
            listen(message)
            return None
        for message in relay.messages(data):
            if message.method is UNSET and message.key == key:
                return message
            listen(message)
    except ProtocolError:
        return _error_without_id(data)
    return None


def _error_without_id(data: bytes) -> Message | None:
    """Many servers send an `id` of null with an error about a request that they did not read."""
    try:
        error = envelope.fields(data).get("error")
    except ProtocolError:
        return None
    return Message(jsonrpc="2.0", error=error) if error is not None else None
