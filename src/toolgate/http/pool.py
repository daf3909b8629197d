"""Connections to servers, kept for the next request."""

import asyncio
import ipaddress
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol, Self
from weakref import WeakValueDictionary

from toolgate.http import descriptors
from toolgate.http.client import Connection, Known
from toolgate.http.heads import Heads

__all__ = ["CONNECT", "ConnectTimeoutError", "Line", "Pool", "Target", "Turn"]

_MOST: Final = 1024  # connections to one target, streams apart
_SHARE: Final = 8  # of all that this process may have open: one slow server must not take them from all others
_IDLE: Final = 4.0  # seconds that one is kept: Node.js and uvicorn close after 5, and a POST is not sent twice
CONNECT: Final = 10.0  # seconds
_AT_ONCE: Final = 64  # that are being opened to one target


class ConnectTimeoutError(OSError):
    """There was no connection in time. No `TimeoutError`, which is what a deadline of the request itself raises."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where connections lead: a host and port, over TLS or not; or the path of a unix socket."""

    host: str
    port: int
    tls: bool = False
    unix: str = ""


class Turn(Protocol):
    """Who waits for a connection, and gets it in the moment in which it is free, unless it is `done` before; a future,
    for instance. None says that one may be opened now."""

    def done(self) -> bool: ...

    def set_result(self, result: Connection | None, /) -> None: ...

    def set_exception(self, exception: OSError, /) -> None: ...


class Pool:
    """All connections of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Whoever has requests to make holds its line, and so does each open connection.
        self._lines: WeakValueDictionary[Target, Line] = WeakValueDictionary()
        self._context: ssl.SSLContext | None = None
        self.most = min(_MOST, descriptors.allowed() // _SHARE)
        """Connections that one line may have."""
        self._sweep = self._loop.call_later(_IDLE, self._close_idle)
        self.closed = False

    def to(self, target: Target) -> "Line":
        line = self._lines.get(target)
        if line is None:
            line = self._lines[target] = Line(self, target)
        return line

    async def tls(self) -> ssl.SSLContext:
        """What all share: reading the certificates of the system takes a while."""
        if self._context is None:
            self._context = await asyncio.to_thread(ssl.create_default_context)
        return self._context

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.closed = True
        self._sweep.cancel()
        for line in list(self._lines.values()):
            line.close()
        await asyncio.sleep(0)

    def counts(self) -> dict[str, int]:
        """Connections to all targets: `busy` with a request, `idle`, or with a `stream`; and who is `waiting`."""
        lines = list(self._lines.values())
        idle = sum(len(line.idle) for line in lines)
        return {
            "busy": sum(len(line.open) for line in lines) - idle,
            "idle": idle,
            "stream": sum(len(line.streams) for line in lines),
            "waiting": sum(len(line.waiting) for line in lines),
        }

    def _close_idle(self) -> None:
        before = self._loop.time() - _IDLE
        for line in list(self._lines.values()):
            line.close_idle(before)
        self._sweep = self._loop.call_later(_IDLE / 2, self._close_idle)


class Line:
    """The connections to one target."""

    def __init__(self, pool: Pool, target: Target) -> None:
        self._pool = pool
        self._target = target
        self._loop = asyncio.get_running_loop()
        self.idle: list[Connection] = []
        self.open: set[Connection] = set()
        self.streams: set[Connection] = set()  # which may live for days, and are no sign of a server that is slow
        self._opening = 0
        self.waiting: deque[Turn] = deque()
        self._openers: set[asyncio.Task[None]] = set()
        self._heads: Heads[Known] = Heads()

    async def connection(self) -> Connection:
        """One that is free, or a new one. Raises what connecting raises: `socket.gaierror`, `ssl.SSLError`, `OSError`,
        and `ConnectTimeoutError`."""
        while True:
            if (connection := self.free()) is not None:
                return connection
            if not self.is_full:
                return await self._connect()
            turn: asyncio.Future[Connection | None] = self._loop.create_future()
            self.waiting.append(turn)
            try:
                if (given := await turn) is not None and given.is_usable:
                    return given
            except asyncio.CancelledError:
                if not turn.done() or turn.cancelled():
                    self.waiting.remove(turn)
                elif (given := turn.result()) is not None:
                    self._freed(given)
                else:
                    self._wake()
                raise

    @property
    def is_full(self) -> bool:
        """Whether there is nothing to do but wait for one, or for those that are being opened."""
        return len(self.open) + self._opening >= self._pool.most or self._opening >= _AT_ONCE

    def open_for(self, turn: Turn) -> None:
        """Give it one that is free, or a new one, or what connecting raises."""
        opener = self._loop.create_task(self._open_for(turn), name=f"connect to {self._target.host}")
        self._openers.add(opener)
        opener.add_done_callback(self._openers.discard)

    async def _open_for(self, turn: Turn) -> None:
        try:
            connection = await self.connection()
        except OSError as error:
            if not turn.done():
                turn.set_exception(error)
            return
        if turn.done():
            self.keep(connection)
        else:
            turn.set_result(connection)

    def free(self) -> Connection | None:
        """One that is kept and fresh enough."""
        after = self._loop.time() - _IDLE
        while self.idle:
            connection = self.idle.pop()
            if connection.is_usable and connection.idle_since > after:
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection) -> None:
        """One that `free` gave, and that was not used."""
        self._freed(connection)

    async def _connect(self) -> Connection:
        self._opening += 1
        try:
            async with asyncio.timeout(CONNECT):
                connection = await self._reach()
        except TimeoutError:
            raise ConnectTimeoutError from None
        finally:
            self._opening -= 1
            self._wake()
        if not connection.is_lost:
            self.open.add(connection)
        return connection

    async def _reach(self) -> Connection:
        target = self._target
        if target.unix:
            _, connection = await self._loop.create_unix_connection(self._make, target.unix)
            return connection
        context = await self._pool.tls() if target.tls else None
        failure: OSError | None = None
        for address in await self._addresses():
            try:
                _, connection = await self._loop.create_connection(
                    self._make, address, target.port, ssl=context, server_hostname=target.host if context else None
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
            else:
                return connection
        raise failure or OSError("the name has no addresses")

    async def _addresses(self) -> list[str]:
        """In the order in which the system would try them."""
        host = self._target.host
        try:
            ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            found = await self._loop.getaddrinfo(host, self._target.port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(address[4][0]) for address in found))
        return [host]

    def _make(self) -> Connection:
        return Connection(self._loop, self._freed, self._begins_stream, self._lost, self._heads)

    def _freed(self, connection: Connection) -> None:
        if self._pool.closed:
            connection.abort()
            return
        self.streams.discard(connection)
        self.open.add(connection)
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        self.idle.append(connection)

    def _begins_stream(self, connection: Connection) -> None:
        self.open.discard(connection)
        self.streams.add(connection)
        self._wake()

    def _lost(self, connection: Connection) -> None:
        self.open.discard(connection)
        self.streams.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self._wake()

    def _wake(self) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def close_idle(self, before: float) -> None:
        stale = [connection for connection in self.idle if connection.idle_since <= before]
        for connection in stale:
            self.idle.remove(connection)
            connection.abort()

    def close(self) -> None:
        for opener in self._openers:
            opener.cancel()
        for connection in (*self.open, *self.streams):
            connection.abort()
