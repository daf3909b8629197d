"""A link to a child process that speaks MCP over its standard streams (2026-07-28 and 2025-11-25, stdio)."""

import asyncio
import logging
import re
from typing import Final

from msgspec import UNSET

from toolgate.errors import ProtocolError, SlowClient, UpstreamError
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol import envelope
from toolgate.protocol.envelope import Message
from toolgate.protocol.eras import Era
from toolgate.runtime.base import Redact, Running
from toolgate.upstream import failures, relay
from toolgate.upstream.asking import Asking
from toolgate.upstream.deadline import Deadline
from toolgate.upstream.era import Hello
from toolgate.upstream.inflight import InFlight
from toolgate.upstream.listen import filter_of
from toolgate.upstream.outgoing import call_params, own_params
from toolgate.upstream.pending import Pending
from toolgate.upstream.relay import Changed

__all__ = ["StdioLink"]

_STOP: Final = 2.0  # seconds at most that a child gets to leave by itself after its input was closed
_COMPLAINTS: Final = 3  # lines of garbage that are logged as warnings; the rest is counted

# Exact for a member of the outermost object: nothing but "jsonrpc" stands between it and the object's edge.
_ID_AT_HEAD: Final = re.compile(rb'\s*\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*"id"\s*:\s*(\d{1,19})\s*,')
_ID_AT_TAIL: Final = re.compile(rb'"id"\s*:\s*(\d{1,19})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')

_log = logging.getLogger(__name__)


class StdioLink:
    """An `upstream.base.Link`, and the `runtime.base.Output` of its process.

    Requests of all callers share the child's streams; ids and progress tokens are the link's own.
    """

    def __init__(self, server: str, limit: int, redact: Redact, changed: Changed) -> None:
        self.server = server
        self.era = Era.LEGACY
        self.version = ""
        self.catalogue_head = Catalogue({})
        self.garbage = 0
        self.undeliverable = 0
        self._limit = limit
        self._redact = redact
        self._changed = changed
        self._pending = Pending()
        self._in_flight = InFlight()
        self._asking = Asking(self._answer_server)
        self._process: Running
        self._end: asyncio.Future[UpstreamError] = asyncio.get_running_loop().create_future()

    # Starting.

    def attach(self, process: Running) -> None:
        self._process = process

    def ask(self, method: str, params: bytes) -> asyncio.Future[Reply]:
        """A request without a deadline of its own, for the handshake. What cannot be written at once is lost with the
        child that doesn't read it."""
        key, future = self._pending.open()
        if self._end.done():
            self._pending.fail_all(failures.gone(self.server, self._end.result().message))
        else:
            self._process.post(envelope.request(_key(key), method, params))
        return future

    def greet(self, hello: Hello) -> None:
        """The handshake is over: what it told holds from now on."""
        self.era, self.version, self.catalogue_head = hello.era, hello.version, hello.head
        if hello.era is Era.LEGACY:
            self._process.post(envelope.notification("notifications/initialized"))
        elif wanted := filter_of(hello.head.capabilities):
            params = own_params(envelope.dump({"notifications": wanted}), hello.era, hello.version)
            self.ask("subscriptions/listen", params or b"{}")

    # Link.

    async def send(self, call: Call) -> Reply:
        with self._in_flight:
            return await self._send(call)

    async def _send(self, call: Call) -> Reply:
        deadline = Deadline(call.timeout)
        key, future = self._pending.open(call, deadline)
        try:
            async with deadline:
                await self._ready()
                params = call_params(call, self.era, self.version, _key(key))
                self._process.write(envelope.request(_key(key), call.method, params))
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
            self._asking.ended(call)

    async def request(self, method: str, params: bytes | None, timeout: float) -> Reply:
        key, future = self._pending.open()
        try:
            own = own_params(params, self.era, self.version)
            async with asyncio.timeout(timeout):
                await self._ready()
                self._process.write(envelope.request(_key(key), method, own))
                return await future
        except TimeoutError:
            self._cancel(key, "deadline exceeded")
            raise failures.late_request(self.server, method, timeout) from None
        finally:
            self._pending.forget(key)

    async def closed(self) -> UpstreamError:
        return await asyncio.shield(self._end)

    async def close(self, grace: float) -> None:
        if not self._end.done():
            await self._in_flight.drained(grace)
        self._pending.fail_all(failures.gone(self.server, "is being stopped"))
        await self._process.stop(min(grace, _STOP))

    def last_words(self) -> str:
        return self._process.last_words()

    async def _ready(self) -> None:
        """What is sent is built after this: many who wait for a child that doesn't read must not cost much memory."""
        await self._process.ready()
        if self._end.done():
            raise failures.gone(self.server, self._end.result().message)

    def _cancel(self, key: int, reason: str) -> None:
        """Best effort: a child that doesn't read is not told, and not waited for."""
        params = envelope.dump({"requestId": key, "reason": reason})
        self._process.post(envelope.notification("notifications/cancelled", params))

    # Output.

    def line(self, line: bytes) -> None:
        if not line or line.isspace():
            return
        try:
            for message in relay.messages(line):
                self._dispatch(message)
        except ProtocolError:
            self._complain(line)

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        found = _ID_AT_HEAD.match(head) or _ID_AT_TAIL.search(tail)
        error = failures.too_large(self.server, size, self._limit)
        _log.warning("%s", error.message)
        self._pending.fail(int(found[1]) if found else None, error)

    def ended(self, reason: str) -> None:
        if not self._end.done():
            self._end.set_result(failures.ended(self.server, reason))
        self._pending.fail_all(failures.gone(self.server, reason))

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
            self._changed(kinds)

    def _take_request(self, message: Message) -> None:
        """It doesn't say which call it belongs to: most likely to the one that was sent last."""
        entry = self._pending.latest()
        self._asking.take(message, entry.call if entry else None, entry.deadline if entry else None)

    def _answer_server(self, response: bytes) -> None:
        self._process.post(response)

    def _answer(self, message: Message) -> None:
        key = relay.own_number(message.key)
        if message.result is not UNSET:
            self._pending.settle(key, Reply(bytes(message.result)))
        elif message.error is not UNSET:
            self._pending.settle(key, Reply(bytes(message.error), is_error=True))
        else:
            self._pending.fail(key, failures.broken(self.server, "answered with neither a result nor an error"))

    def _progress(self, message: Message) -> None:
        key = relay.progress_token(message)
        entry = self._pending.find(key)
        if entry is None or entry.call is None:
            return
        relayed = relay.progress_for(entry.call, message)
        if relayed is not None and not entry.call.channel.send(relayed):
            self._pending.fail(key, relay.slow_client(entry.call))

    def _log_message(self, message: Message) -> None:
        """It doesn't say which call it belongs to, so it is passed on only where all of them are one principal's."""
        calls = tuple(self._pending.calls())
        if len({call.principal.id for _, call in calls}) != 1:
            self.undeliverable += 1
            return
        level = relay.level_of(message)
        relayed = envelope.notification(relay.LOG, bytes(message.params) if message.params is not UNSET else None)
        for key, call in calls:
            if relay.admits(call, level) and not call.channel.send(relayed):
                self._pending.fail(key, relay.slow_client(call))

    def _complain(self, line: bytes) -> None:
        self.garbage += 1
        if self.garbage <= _COMPLAINTS:
            text = self._redact(line[:4096].decode("utf-8", "replace"))
            _log.warning("server %r wrote to standard output what is not MCP: %r", self.server, text[:200])


def _key(key: int) -> bytes:
    return b"%d" % key
