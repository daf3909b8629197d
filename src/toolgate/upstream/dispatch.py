"""A link on which all that a server says arrives on one stream: whom each message is for."""

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from typing import Final

from msgspec import UNSET

from toolgate.errors import SlowClient, UpstreamError
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol import envelope
from toolgate.protocol.envelope import Message
from toolgate.protocol.eras import Era
from toolgate.upstream import failures, relay
from toolgate.upstream.asking import Asking
from toolgate.upstream.deadline import Alarms, Deadline
from toolgate.upstream.inflight import InFlight
from toolgate.upstream.outgoing import call_params, own_params, subscribe_params
from toolgate.upstream.pending import Pending
from toolgate.upstream.relay import News
from toolgate.upstream.sent import Sent

__all__ = ["SUBSCRIBE", "DispatchingLink", "wire_key"]

SUBSCRIBE: Final = 10.0  # seconds for a server to take a subscription

# Exact for a member of the outermost object: nothing but "jsonrpc" stands between it and the object's edge.
_ID_AT_HEAD: Final = re.compile(rb'\s*\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*"id"\s*:\s*(\d{1,19})\s*,')
_ID_AT_TAIL: Final = re.compile(rb'"id"\s*:\s*(\d{1,19})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')

_log = logging.getLogger(__name__)


class DispatchingLink(ABC):
    """An `upstream.base.Link` but for its start and its `close`.

    Requests of all callers share the stream; ids and progress tokens are the link's own.
    """

    def __init__(self, server: str, limit: int, news: News) -> None:
        """`limit` bounds a message of the server, in bytes."""
        self.server = server
        self.era = Era.LEGACY
        self.version = ""
        self.catalogue_head = Catalogue({})
        self._limit = limit
        self._news = news
        self._pending = Pending()
        self.alarms = Alarms()
        self._in_flight = InFlight()
        self._asking = Asking(self._post)
        self._end: asyncio.Future[UpstreamError] = asyncio.get_running_loop().create_future()

    @abstractmethod
    async def _ready(self) -> None:
        """Wait until the server takes a message. What is sent is built after this: many who wait for a server that
        doesn't read must not cost much memory."""

    @abstractmethod
    async def _write(self, message: bytes) -> None:
        """Send a request. Raises `UpstreamError`."""

    @abstractmethod
    def _post(self, message: bytes) -> None:
        """Send what nobody waits for: a server that doesn't read is not told, and not waited for."""

    # Link.

    async def send(self, call: Call) -> Reply:
        deadline = Deadline(call.timeout, self.alarms)
        sent = call.sent if isinstance(call.sent, Sent) else None
        if sent is None:
            key, future = self._pending.open(call, deadline)
        else:
            key = int(sent.key)
            self._pending.adopt(key, call, deadline)
        try:
            with self._in_flight, deadline:
                if sent is not None:
                    reply: Reply = await sent.outcome()
                    return reply
                await self._open()
                params = call_params(call, self.era, self.version, wire_key(key))
                await self._write(envelope.request(wire_key(key), call.method, params))
                return await future
        except TimeoutError:
            self._cancel(key, "deadline exceeded")
            raise failures.late(call) from None
        except SlowClient:
            self._cancel(key, "the client does not read")
            raise
        except asyncio.CancelledError:
            self._cancel(key, "the client went away")
            raise
        finally:
            self._pending.forget(key)
            if self._asking.asked:
                self._asking.ended(call)

    async def request(self, method: str, params: bytes | None, timeout: float) -> Reply:
        key, future = self._pending.open()
        try:
            own = own_params(params, self.era, self.version)
            async with asyncio.timeout(timeout):
                await self._open()
                await self._write(envelope.request(wire_key(key), method, own))
                return await future
        except TimeoutError:
            self._cancel(key, "deadline exceeded")
            raise failures.late_request(self.server, method, timeout) from None
        finally:
            self._pending.forget(key)

    async def subscribe(self, uri: str, more: bytes) -> Reply:
        return await self.request("resources/subscribe", subscribe_params(uri, more), SUBSCRIBE)

    async def unsubscribe(self, uri: str) -> Reply:
        return await self.request("resources/unsubscribe", envelope.dump({"uri": uri}), SUBSCRIBE)

    async def closed(self) -> UpstreamError:
        return await asyncio.shield(self._end)

    async def _open(self) -> None:
        await self._ready()
        if self._end.done():
            raise failures.gone(self.server, self._end.result().message)

    def _cancel(self, key: int, reason: str) -> None:
        params = envelope.dump({"requestId": key, "reason": reason})
        self._post(envelope.notification("notifications/cancelled", params))

    def _lost(self, reason: UpstreamError) -> None:
        """The link has ended, and with it the calls under way."""
        if not self._end.done():
            self._end.set_result(reason)
        self._pending.fail_all(failures.gone(self.server, reason.message))

    # What the server says.

    def _take(self, data: bytes) -> None:
        """One message, or a batch of them. Raises `ProtocolError`."""
        for message in relay.messages(data):
            self._dispatch(message)

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        """A message was larger than the limit, and was passed over; these are its ends."""
        found = _ID_AT_HEAD.match(head) or _ID_AT_TAIL.search(tail)
        error = failures.too_large(self.server, size, self._limit)
        _log.warning("%s", error.message)
        self._pending.fail(int(found[1]) if found else None, error)

    def _dispatch(self, message: Message) -> None:
        if message.method is UNSET:
            self._answer(message)
        elif message.id is not UNSET:
            # A modern server makes no requests, and is sent no responses (2026-07-28, stdio, Sending Messages).
            if self.era is Era.LEGACY:
                self._take_request(message)
        elif message.method == relay.CANCELLED:
            self._asking.withdraw(message)
        elif message.method == relay.PROGRESS:
            self._progress(message)
        elif message.method == relay.LOG:
            self._log_message(message)
        elif kinds := relay.CHANGES.get(message.method):
            self._news.changed(kinds)
        elif message.method == relay.UPDATED:
            self._news.updated(relay.uri_of(message), bytes(message.params) if message.params is not UNSET else b"{}")

    def _take_request(self, message: Message) -> None:
        """It doesn't say which call it belongs to: most likely to the one that was sent last."""
        entry = self._pending.latest()
        self._asking.take(message, entry.call if entry else None, entry.deadline if entry else None)

    def _answer(self, message: Message) -> None:
        key = relay.own_number(message.key)
        if message.result is not UNSET:
            self._pending.settle(key, Reply(bytes(message.result)))
        elif message.error is not UNSET:
            self._pending.settle(key, Reply(bytes(message.error), is_error=True))
        else:
            self._pending.fail(key, failures.broken(self.server, "answered with neither a result nor an error"))

    def _progress(self, message: Message) -> None:
        told = envelope.fields(message.params)
        key = relay.progress_token(told)
        entry = self._pending.find(key)
        if entry is None or entry.call is None:
            return
        relayed = relay.progress_for(entry.call, told)
        if relayed is not None and not entry.call.channel.send(relayed):
            self._pending.fail(key, relay.slow_client(entry.call))

    def _log_message(self, message: Message) -> None:
        """It doesn't say which call it belongs to, so it is passed on only where all of them are one principal's."""
        calls = tuple(self._pending.calls())
        if len({call.principal.id for _, call in calls}) != 1:
            return
        level = relay.level_of(message)
        relayed = envelope.notification(relay.LOG, bytes(message.params) if message.params is not UNSET else None)
        for key, call in calls:
            if relay.admits(call, level) and not call.channel.send(relayed):
                self._pending.fail(key, relay.slow_client(call))


def wire_key(key: int) -> bytes:
    return b"%d" % key
