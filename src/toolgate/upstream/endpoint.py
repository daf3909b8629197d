"""One server's URL: requests go out, JSON-RPC messages come back, and every failure has words.

Nothing here prints more of a URL than its origin, and nothing is ever sent twice.
"""

import asyncio
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import ClientResponse, ClientSession
from msgspec import UNSET
from multidict import CIMultiDict
from yarl import URL

from toolgate.errors import ProtocolError, ServerUnavailable
from toolgate.protocol import envelope, sse
from toolgate.protocol.envelope import Message
from toolgate.protocol.headers import LAST_EVENT_ID
from toolgate.runtime.base import Redact
from toolgate.upstream import failures, relay
from toolgate.upstream.background import Background
from toolgate.upstream.resolved import Address

__all__ = ["EVENT_STREAM", "Answer", "Endpoint", "Listen", "Unreachable"]

EVENT_STREAM: Final = "text/event-stream"

Listen = Callable[[Message], None]
"""Gets each message of a stream that is not the awaited answer. What it raises ends the request."""

_BOTH: Final = {"Accept": f"application/json, {EVENT_STREAM}", "Content-Type": "application/json"}
_STREAM: Final = {"Accept": EVENT_STREAM}
_CONNECT: Final = 10.0  # seconds
_DRAIN: Final = 1.0  # seconds that a stream gets to end after its answer, so that its connection can be used again
_DRAINS: Final = 256
_REFUSAL: Final = 64 * 1024  # bytes read of an answer that is no success
_RETRY: Final = 1.0  # seconds before a stream is resumed, where its server names none
_RESUMES: Final = 100


class Unreachable(ServerUnavailable):
    """There was no connection, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to. `message` is the JSON-RPC response: the one with the request's id, or an error without
    any; None where there was none."""

    status: int
    media_type: str
    headers: Mapping[str, str]
    message: Message | None


class Endpoint:
    """`limit` bounds one answer, and one event of a stream, in bytes."""

    def __init__(self, server: str, address: Address, session: ClientSession, redact: Redact, limit: int) -> None:
        self.server = server
        self.origin = address.origin
        self.redact = redact
        self.limit = limit
        self._url = address.url
        self._headers = address.headers
        self._session = session
        self._drains = Background(_DRAINS)

    async def ask(
        self, key: bytes, body: bytes, headers: Mapping[str, str], listen: Listen, *, resume: bool = False
    ) -> Answer:
        """POST a request and wait for its answer. `resume`: a stream with event ids may break off and is then taken
        up again where it was (2025-11-25, Streamable HTTP, Resumability and Redelivery)."""
        with self._explained():
            response = await self._open("POST", {**_BOTH, **headers}, body)
            try:
                if response.status == 200 and response.content_type == EVENT_STREAM:
                    message = await self._from_stream(response, key, headers, listen, resume=resume)
                else:
                    message = await self._from_body(response, key, listen)
            except BaseException:
                response.close()  # for a modern server this is the cancellation
                raise
            self._leave(response)
        return Answer(response.status, response.content_type, response.headers, message)

    async def tell(self, body: bytes, headers: Mapping[str, str]) -> int:
        """POST what has no answer: a notification or a response. The answer is the HTTP status."""
        with self._explained():
            response = await self._open("POST", {**_BOTH, **headers}, body)
            self._leave(response)
        return response.status

    async def end_session(self, headers: Mapping[str, str]) -> int:
        with self._explained():
            response = await self._open("DELETE", headers)
            self._leave(response)
        return response.status

    async def follow(self, headers: Mapping[str, str], decoder: sse.Decoder, listen: Listen) -> int:
        """GET the stream of what belongs to no request, to its end. The answer is the HTTP status; where that is not
        200 or the answer no stream (then 0), there was nothing to follow."""
        with self._explained():
            response = await self._open("GET", {**_STREAM, **headers})
            try:
                if response.status == 200 and response.content_type != EVENT_STREAM:
                    return 0
                if response.status == 200:
                    await self._read(response, decoder, None, listen)
                return response.status
            finally:
                response.close()

    async def events(self, decoder: sse.Decoder, take: Callable[[sse.Event], None]) -> Answer:
        """GET a stream of events and take each, to its end. Where there is no stream the answer says what there is."""
        with self._explained():
            response = await self._open("GET", _STREAM)
            try:
                if response.status == 200 and response.content_type == EVENT_STREAM:
                    async for chunk in response.content.iter_any():
                        for event in decoder.feed(chunk):
                            take(event)
                return Answer(response.status, response.content_type, response.headers, None)
            finally:
                response.close()

    def beside(self, reference: str) -> "Endpoint | None":
        """The same server at another URL, which may be relative to this one; None where the origin is another."""
        try:
            url = self._url.join(URL(reference)).with_user(None)
            if url.origin() != self._url.origin():
                return None
        except ValueError:
            return None
        return Endpoint(self.server, Address(url, self.origin, self._headers), self._session, self.redact, self.limit)

    def decoder(self, oversized: sse.Oversized | None = None) -> sse.Decoder:
        return sse.Decoder(self.limit, oversized)

    async def close(self) -> None:
        await self._drains.close()

    async def _open(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> ClientResponse:
        # Names are compared without case, and the protocol's own headers win over a definition's.
        merged: CIMultiDict[str] = CIMultiDict(self._headers)
        merged.update(headers)
        data = io.BytesIO(body) if body is not None else None  # aiohttp writes it in pieces; bytes only at one go
        return await self._session.request(
            method,
            self._url,
            data=data,
            headers=merged,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
        )

    async def _from_body(self, response: ClientResponse, key: bytes, listen: Listen) -> Message | None:
        body = await self._body(response, self.limit if response.status == 200 else _REFUSAL)
        if body is None:
            if response.status == 200:
                raise failures.too_large(self.server, 0, self.limit)
            return None
        return _answer_in(body, key, listen)

    async def _body(self, response: ClientResponse, limit: int) -> bytes | None:
        parts: list[bytes] = []
        size = response.content_length or 0
        if size > limit:
            return None
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > limit:
                return None
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _from_stream(
        self, response: ClientResponse, key: bytes, headers: Mapping[str, str], listen: Listen, *, resume: bool
    ) -> Message | None:
        decoder = self.decoder()
        message = await self._read(response, decoder, key, listen)
        for _ in range(_RESUMES):
            if message is not None or not resume or not decoder.last_id:
                break
            await asyncio.sleep(_RETRY if decoder.retry is None else decoder.retry / 1000)
            again = await self._open("GET", {**_STREAM, **headers, LAST_EVENT_ID: decoder.last_id})
            try:
                if again.status != 200 or again.content_type != EVENT_STREAM:
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
        self, response: ClientResponse, decoder: sse.Decoder, key: bytes | None, listen: Listen
    ) -> Message | None:
        async for chunk in response.content.iter_any():
            for event in decoder.feed(chunk):
                if event.event == "endpoint" and key is not None:
                    return None  # HTTP+SSE, which takes a POST for a GET: no answer will come on this stream
                if event.event == "message" and event.data and (found := _answer_in(event.data, key, listen)):
                    return found
        return None

    def _leave(self, response: ClientResponse) -> None:
        """Give the connection back, or close it where it does not become free by itself."""
        if response.content.at_eof():
            response.release()
        elif not self._drains.spawn(_drain(response), f"drain {self.server}"):
            response.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sse.EventTooLarge:
            raise failures.too_large(self.server, 0, self.limit) from None
        except aiohttp.ClientConnectorDNSError:
            raise Unreachable(f"cannot be reached: the name in {self.origin} does not resolve") from None
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", "") or "it is not valid"
            raise Unreachable(f"has a TLS certificate that is not trusted ({self.origin}): {reason}") from None
        except aiohttp.ClientSSLError:
            raise Unreachable(f"cannot be reached: no TLS connection to {self.origin} came about") from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno  # the loop's own text for it is a tuple in words
            reason = os.strerror(number).lower() if number else "no connection"
            raise Unreachable(f"cannot be reached at {self.origin}: {reason}") from None
        except aiohttp.ConnectionTimeoutError:
            raise Unreachable(f"cannot be reached at {self.origin}: no connection within {_CONNECT:g} s") from None
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            raise failures.ended(self.server, f"broke the connection to {self.origin} off before it answered") from None
        except aiohttp.ClientError as error:
            raise failures.ended(
                self.server, f"answered at {self.origin} what is not HTTP ({type(error).__name__})"
            ) from None


def _answer_in(data: bytes, key: bytes | None, listen: Listen) -> Message | None:
    try:
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


async def _drain(response: ClientResponse) -> None:
    try:
        async with asyncio.timeout(_DRAIN):
            async for _ in response.content.iter_any():
                pass
        response.release()
    except (TimeoutError, aiohttp.ClientError, RuntimeError):  # the last is how aiohttp says that it closed
        response.close()
    except asyncio.CancelledError:
        response.close()
        raise
