"""A link to a server behind a URL, over Streamable HTTP (2026-07-28 and 2025-11-25)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from msgspec import UNSET

from toolgate.errors import (
    ServerUnavailable,
    SignInNeeded,
    SlowClient,
    UpstreamError,
)
from toolgate.model.tool import Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol import envelope, headers
from toolgate.protocol.envelope import Message
from toolgate.protocol.eras import Era
from toolgate.protocol.results import error_code
from toolgate.upstream import failures, relay
from toolgate.upstream.asking import Asking
from toolgate.upstream.background import Background
from toolgate.upstream.base import SessionLost
from toolgate.upstream.deadline import Alarms, Deadline
from toolgate.upstream.endpoint import EVENT_STREAM, Answer, Endpoint, Listen, Unreachable, header_lines
from toolgate.upstream.listen import can_subscribe, filter_of, keep_listening, kinds_announced
from toolgate.upstream.mirrored import is_annotated, mirror
from toolgate.upstream.outgoing import call_params, own_params, subscribe_params, trace_lines
from toolgate.upstream.probe import Contact, reply_of
from toolgate.upstream.refusal import refusal
from toolgate.upstream.relay import News
from toolgate.upstream.sent import Owner, Sent, Way
from toolgate.upstream.way import HttpWay

__all__ = ["HttpLink"]

_ERRANDS: Final = 64  # notifications and answers to pings that are under way at a time
_ERRAND: Final = 5.0  # seconds that each may take
_GOODBYE: Final = 2.0  # seconds for the DELETE of a session
_SUBSCRIBE: Final = 10.0  # seconds for a server to take a subscription
_LISTEN: Final = "subscriptions/listen"
_HEADER_MISMATCH: Final = -32020
_UNSUPPORTED_VERSION: Final = -32022


class HttpLink:
    """An `upstream.base.Link`. Each request is a POST of its own, over connections that all links share."""

    def __init__(self, endpoint: Endpoint, contact: Contact, news: News, *, asks: bool = False) -> None:
        """`asks`: the server was told that it may ask something, which it may do on a stream of its own."""
        self.server = endpoint.server
        self.era = contact.hello.era
        self.version = contact.hello.version
        self.catalogue_head = contact.hello.head
        self._endpoint = endpoint
        self._session = contact.session
        self._news = news
        self._asks = asks
        self._calls: dict[bytes, tuple[Call, Deadline | None]] = {}
        self._watched: set[str] = set()
        self._listening: asyncio.Task[None] | None = None
        self._acknowledged = asyncio.Event()
        self._last = 0
        self._event_id = ""
        self._closing = False
        self._idle: asyncio.Event | None = None
        self._asking = Asking(self._errand)
        self._background = Background(_ERRANDS)
        self._end: asyncio.Future[UpstreamError] = asyncio.get_running_loop().create_future()
        self.alarms = Alarms()
        session = {headers.SESSION_ID: self._session} if self._session else {}
        self._lines = header_lines({headers.PROTOCOL_VERSION: self.version, **session})

    def start_listening(self) -> None:
        """Open the stream of what belongs to no request, where the server says that it has any; once more after
        `_watched` has changed, which a modern stream names when it is opened."""
        capabilities = self.catalogue_head.capabilities
        kinds = kinds_announced(capabilities)
        if self._listening is not None:
            self._listening.cancel()
        self._acknowledged.clear()
        if self.era is Era.MODERN and (kinds or self._watched):
            self._listen(self._subscribe_once, kinds)
        elif self.era is Era.LEGACY and (kinds or self._asks or can_subscribe(capabilities)):
            self._listen(self._follow_once, kinds)

    def _listen(self, once: Callable[[], Awaitable[bool]], kinds: frozenset[Kind]) -> None:
        listening = keep_listening(once, kinds, self._news, self._lost)
        self._listening = asyncio.create_task(listening, name=f"listen to {self.server}")

    # Link.

    def way(self, call: Call, owner: Owner) -> Way | None:
        """See `sent.Express`."""
        if self._asks or call.method != "tools/call" or is_annotated(call.route.raw):
            return None
        head = self._endpoint.opening(self._lines + mirror(call) if self.era is Era.MODERN else self._lines)
        if head is None:
            return None
        return HttpWay(self, owner, self._endpoint, head, call)

    def enter(self, call: Call) -> bytes:
        """A call is under way without a task, under this key."""
        key = self._key()
        self._calls[key] = call, None
        return key

    def leave(self, key: bytes) -> None:
        del self._calls[key]
        if not self._calls and self._idle is not None:
            self._idle.set()

    async def send(self, call: Call) -> Reply:
        sent = call.sent if isinstance(call.sent, Sent) else None
        key = self._key() if sent is None else sent.key
        params = call_params(call, self.era, self.version, key)
        lines = self._lines + mirror(call) if self.era is Era.MODERN else self._lines
        if call.trace.traceparent:
            lines += trace_lines(call.trace)
        deadline = Deadline(call.timeout, self.alarms)
        self._calls[key] = call, deadline
        try:
            listen = partial(self._hear, call, key, deadline)
            flows = call.flows and call.era is self.era
            reply = await self._exchange(key, call.method, params, lines, listen, deadline, flows=flows, sent=sent)
        except TimeoutError:
            self.withdraw(key, "deadline exceeded")
            raise failures.late(call) from None
        except SlowClient:
            self.withdraw(key, "the client does not read")
            raise
        except asyncio.CancelledError:
            self.withdraw(key, "the client went away")
            raise
        finally:
            self.leave(key)
            if self._asking.asked:
                self._asking.ended(call)
        if reply.is_error and self.era is Era.MODERN:
            self._heed(reply)
        return reply

    async def request(self, method: str, params: bytes | None, timeout: float) -> Reply:
        key = self._key()
        own = own_params(params, self.era, self.version)
        deadline = Deadline(timeout, self.alarms)
        try:
            return await self._exchange(key, method, own, self._lines_for(method), self._overhear, deadline)
        except TimeoutError:
            self.withdraw(key, "deadline exceeded")
            raise failures.late_request(self.server, method, timeout) from None

    async def subscribe(self, uri: str, more: bytes) -> Reply:
        if self.era is Era.LEGACY:
            return await self.request("resources/subscribe", subscribe_params(uri, more), _SUBSCRIBE)
        self._watched.add(uri)
        return await self._listen_anew()

    async def unsubscribe(self, uri: str) -> Reply:
        if self.era is Era.LEGACY:
            return await self.request("resources/unsubscribe", envelope.dump({"uri": uri}), _SUBSCRIBE)
        self._watched.discard(uri)
        return await self._listen_anew()

    async def _listen_anew(self) -> Reply:
        self.start_listening()
        with suppress(TimeoutError):  # it is asked again as long as the link lives
            async with asyncio.timeout(_SUBSCRIBE if self._watched else 0):
                await self._acknowledged.wait()
        return Reply(b"{}")

    async def closed(self) -> UpstreamError:
        return await asyncio.shield(self._end)

    async def close(self, grace: float) -> None:
        await self._drained(grace)
        self._closing = True
        self.alarms.end()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._background.close()
        if self._session and not self._end.done():
            await self._say_goodbye(min(grace, _GOODBYE))
        await self._endpoint.close()
        self._lost(failures.ended(self.server, "was stopped"))

    async def _drained(self, grace: float) -> None:
        """Wait at most `grace` seconds for the last call under way."""
        if self._calls and grace > 0:
            self._idle = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._idle.wait()

    # Requests.

    async def _exchange(
        self,
        key: bytes,
        method: str,
        params: bytes | None,
        lines: bytes,
        listen: Listen,
        deadline: Deadline,
        *,
        flows: bool = False,
        sent: Sent | None = None,
    ) -> Reply:
        if self._end.done() and sent is None:
            raise self._named(self._end.result())
        body = envelope.request(key, method, params)
        try:
            with deadline:
                is_legacy = self.era is Era.LEGACY
                answer = await self._endpoint.ask(key, body, lines, listen, resume=is_legacy, flows=flows, sent=sent)
        except TimeoutError:
            if self._closing:
                raise failures.gone(self.server, "is being stopped") from None
            raise
        except Unreachable as error:
            self._lost(error)
            raise self._named(error) from None
        except ServerUnavailable as error:
            raise self._named(error) from None
        if answer.flow is not None:
            return Reply(b"", flow=answer.flow)
        message = answer.message
        if answer.status == 200 and message is not None and message.result is not UNSET:
            return Reply(bytes(message.result))
        return self._reply(answer)

    def _reply(self, answer: Answer) -> Reply:
        if (self._session and answer.status == 404) or _misses_session(answer):
            error = SessionLost("has ended the session", server=self.server)
            self._lost(error)
            raise error
        reply = reply_of(answer.message)
        if reply is not None and answer.status not in {401, 403} and not 300 <= answer.status < 400:
            return reply
        if answer.status in {200, 202, 204}:
            raise self._unanswered(answer)
        refused = refusal(self._endpoint, answer)
        if answer.status == 401 or (self.era is Era.MODERN and answer.status in {400, 404, 405}):
            self._lost(refused)  # the credential, or what was known of the server's era, holds no longer
        raise self._named(refused)

    def _unanswered(self, answer: Answer) -> UpstreamError:
        if answer.media_type == EVENT_STREAM:
            return failures.broken(self.server, "ended the response stream without an answer")
        return failures.broken(self.server, f"answered {answer.media_type} ({answer.status}), which is not MCP")

    def _named(self, error: UpstreamError) -> UpstreamError:
        """The same with the server's name in front, for the client whose call it ends."""
        kind = SignInNeeded if isinstance(error, SignInNeeded) else ServerUnavailable
        return kind(f"server {self.server!r} {error.message}", hint=error.hint, server=self.server)

    def _heed(self, reply: Reply) -> None:
        """Errors that say that what is known of the server is out of date."""
        code = error_code(reply.payload)
        if code == _HEADER_MISMATCH:
            self._news.changed(frozenset({Kind.TOOLS}))
        elif code == _UNSUPPORTED_VERSION:
            self._lost(failures.ended(self.server, f"no longer speaks revision {self.version}"))

    def _lost(self, error: UpstreamError) -> None:
        if not self._end.done():
            self._end.set_result(error)

    def _lines_for(self, method: str) -> bytes:
        return self._lines + header_lines({headers.METHOD: method}) if self.era is Era.MODERN else self._lines

    def _key(self) -> bytes:
        self._last += 1
        return b"%d" % self._last

    # What comes in a stream before the answer.

    def _hear(self, call: Call, key: bytes, deadline: Deadline, message: Message) -> None:
        relayed: bytes | None = None
        told = envelope.fields(message.params) if message.method == relay.PROGRESS else envelope.NOTHING
        if told and relay.progress_token(told) == int(key):
            relayed = relay.progress_for(call, told)
        elif message.method == relay.LOG and relay.admits(call, relay.level_of(message)):
            params = bytes(message.params) if message.params is not UNSET else None
            relayed = envelope.notification(relay.LOG, params)
        elif message.method is not UNSET and message.id is not UNSET and self.era is Era.LEGACY:
            self._asking.take(message, call, deadline)
        else:
            self._overhear(message)
        if relayed is not None and not call.channel.send(relayed):
            raise relay.slow_client(call)

    def _overhear(self, message: Message) -> None:
        """What concerns the link and not one call."""
        if message.method is UNSET:
            return
        if message.id is not UNSET:
            if self.era is Era.LEGACY:
                self._asking.take(message, *self._latest())
        elif message.method == relay.CANCELLED:
            self._asking.withdraw(message)
        elif kinds := relay.CHANGES.get(message.method):
            self._news.changed(kinds)
        elif message.method == relay.UPDATED:
            self._news.updated(relay.uri_of(message), bytes(message.params) if message.params is not UNSET else b"{}")
        elif message.method == relay.ACKNOWLEDGED:
            self._acknowledged.set()

    def _latest(self) -> tuple[Call, Deadline | None] | tuple[None, None]:
        """The call that a question belongs to which comes on no call's stream: most likely the one that was sent
        last, if all are one principal's."""
        calls = list(self._calls.values())
        return calls[-1] if len({call.principal.id for call, _ in calls}) == 1 else (None, None)

    # Beside the calls.

    def withdraw(self, key: bytes, reason: str) -> None:
        """For a modern server the closed response was the cancellation; for a legacy one it is none."""
        if self.era is Era.LEGACY and not self._closing:
            params = envelope.dump({"requestId": int(key), "reason": reason})
            self._errand(envelope.notification("notifications/cancelled", params))

    def _errand(self, body: bytes) -> None:
        self._background.spawn(self._tell(body), f"tell {self.server}")

    async def _tell(self, body: bytes) -> None:
        with suppress(TimeoutError, UpstreamError):  # best effort: nobody waits for it
            async with asyncio.timeout(_ERRAND):
                await self._endpoint.tell(body, self._lines)

    async def _say_goodbye(self, timeout: float) -> None:
        with suppress(TimeoutError, UpstreamError):  # a session that is not ended here ends by its own age
            async with asyncio.timeout(timeout):
                await self._endpoint.end_session(self._lines)

    async def _subscribe_once(self) -> bool:
        key = self._key()
        params = envelope.dump({"notifications": filter_of(self.catalogue_head.capabilities, self._watched)})
        body = envelope.request(key, _LISTEN, own_params(params, self.era, self.version))
        answer = await self._endpoint.ask(key, body, self._lines_for(_LISTEN), self._overhear)
        return answer.status == 200 and answer.media_type == EVENT_STREAM

    async def _follow_once(self) -> bool:
        more = header_lines({headers.LAST_EVENT_ID: self._event_id}) if self._event_id else b""
        decoder = self._endpoint.decoder()
        try:
            status = await self._endpoint.follow(self._lines + more, decoder, self._overhear)
        finally:
            self._event_id = decoder.last_id or self._event_id
        if status == 404 and self._session:
            self._lost(SessionLost("has ended the session", server=self.server))
        return status == 200


def _misses_session(answer: Answer) -> bool:
    """Servers that keep sessions in memory often answer 400 after a restart, and so does a legacy server that has
    taken a modern one's place. An error without the request's id says that the request was not looked at."""
    message = answer.message
    if answer.status not in {400, 404} or message is None or message.error is UNSET or message.key is not None:
        return False
    words = bytes(message.error).lower()
    return b"session" in words or b"initialize" in words
