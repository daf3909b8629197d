"""A link to a child process that speaks MCP over its standard streams (2026-07-28 and 2025-11-25, stdio)."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from toolgate.errors import ProtocolError
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol import envelope
from toolgate.protocol.envelope import Message
from toolgate.protocol.eras import Era
from toolgate.runtime.base import Redact, Running
from toolgate.runtime.stderr import StderrTail
from toolgate.upstream import failures, relay
from toolgate.upstream.base import Log, silent
from toolgate.upstream.dispatch import SUBSCRIBE, DispatchingLink, wire_key
from toolgate.upstream.era import Hello
from toolgate.upstream.listen import filter_of
from toolgate.upstream.outgoing import own_params
from toolgate.upstream.relay import News
from toolgate.upstream.sent import Owner, Sent, Way
from toolgate.upstream.way import StdioWay

__all__ = ["StdioLink"]

_STOP: Final = 2.0  # seconds at most that a child gets to leave by itself after its input was closed
_COMPLAINTS: Final = 3  # lines of garbage that are logged as warnings; the server's own log has more of them

_log = logging.getLogger(__name__)


class StdioLink(DispatchingLink):
    """An `upstream.base.Link`, and the `runtime.base.Output` of its process."""

    def __init__(self, server: str, limit: int, redact: Redact, news: News, log: Log = silent) -> None:
        super().__init__(server, limit, news)
        self._heard = log
        self._stray = StderrTail(server, redact, lambda text: log(server, "stdout", text))
        self.garbage = 0
        self._redact = redact
        self._watched: set[str] = set()
        self._listening: int | None = None
        self._acknowledged = asyncio.Event()
        self._process: Running

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
            self._process.post(envelope.request(wire_key(key), method, params))
        return future

    def greet(self, hello: Hello) -> None:
        """The handshake is over: what it told holds from now on."""
        self.era, self.version, self.catalogue_head = hello.era, hello.version, hello.head
        if hello.era is Era.LEGACY:
            self._process.post(envelope.notification("notifications/initialized"))
        else:
            self._listen()

    def _listen(self) -> None:
        """Ask a modern server to tell what belongs to no request, in place of what it was asked before."""
        if self._listening is not None:
            self._cancel(self._listening, "another filter follows")
            self._pending.forget(self._listening)
            self._listening = None
        self._acknowledged.clear()
        if wanted := filter_of(self.catalogue_head.capabilities, self._watched):
            params = own_params(envelope.dump({"notifications": wanted}), self.era, self.version)
            self._listening, _ = self._pending.open()
            self._process.post(envelope.request(wire_key(self._listening), "subscriptions/listen", params))

    # Link.

    async def subscribe(self, uri: str, more: bytes) -> Reply:
        if self.era is Era.LEGACY:
            return await super().subscribe(uri, more)
        self._watched.add(uri)
        return await self._listen_anew()

    async def unsubscribe(self, uri: str) -> Reply:
        if self.era is Era.LEGACY:
            return await super().unsubscribe(uri)
        self._watched.discard(uri)
        return await self._listen_anew()

    async def _listen_anew(self) -> Reply:
        self._listen()
        with suppress(TimeoutError):  # it stays asked for
            async with asyncio.timeout(SUBSCRIBE if self._watched else 0):
                await self._acknowledged.wait()
        return Reply(b"{}")

    async def close(self, grace: float) -> None:
        if not self._end.done():
            await self._in_flight.drained(grace)
        self._pending.fail_all(failures.gone(self.server, "is being stopped"))
        await self._process.stop(min(grace, _STOP))

    def last_words(self) -> str:
        return self._process.last_words()

    async def _ready(self) -> None:
        await self._process.ready()

    async def _write(self, message: bytes) -> None:
        self._process.write(message)

    def _post(self, message: bytes) -> None:
        self._process.post(message)

    # Calls that no task waits for.

    def way(self, call: Call, owner: Owner) -> Way | None:
        """See `sent.Express`."""
        return StdioWay(self, owner, self._process.write, call) if call.method == "tools/call" else None

    @property
    def reads(self) -> bool:
        return self._process.reads and not self._end.done()

    def enter(self, call: Call, sent: Sent) -> bytes:
        self._in_flight.enter()
        return wire_key(self._pending.enter(call, sent))

    def leave(self, key: bytes) -> None:
        self._in_flight.leave()

    def forget(self, key: bytes) -> None:
        self._pending.forget(int(key))

    def withdraw(self, key: bytes, reason: str) -> None:
        self._cancel(int(key), reason)

    # Output.

    def line(self, line: bytes) -> None:
        if not line or line.isspace():
            return
        try:
            self._take(line)
        except ProtocolError:
            self._complain(line)

    def ended(self, reason: str) -> None:
        self._stray.end()
        self._lost(failures.ended(self.server, reason))

    def _dispatch(self, message: Message) -> None:
        if message.method == relay.ACKNOWLEDGED:
            self._acknowledged.set()
        else:
            super()._dispatch(message)

    def said(self, text: str) -> None:
        self._heard(self.server, "stderr", text)

    def _complain(self, line: bytes) -> None:
        self.garbage += 1
        self._stray.feed(line + b"\n")
        if self.garbage <= _COMPLAINTS:
            text = self._redact(line[:4096].decode("utf-8", "replace"))
            _log.warning("server %r wrote to standard output what is not MCP: %r", self.server, text[:200])
