"""Where connections come in, what they share, and how they are ended."""

import asyncio
import socket
import ssl
import sys
import time
from collections import deque
from contextlib import suppress
from email.utils import formatdate
from typing import Final, Self

from toolgate.http.application import Application
from toolgate.http.entrance import Entrance, Turns
from toolgate.http.heads import Heads
from toolgate.http.house import Guest
from toolgate.http.server import Connection
from toolgate.http.target import Target

__all__ = ["Listener"]

_BACKLOG: Final = 2048
_LOOK: Final = 1.0  # seconds between looks at the connections
_AT_ONCE: Final = 128  # requests that are begun in one round of the loop
_MOST_WAITING: Final = 512  # that wait for their turn
_SLICE: Final = 256  # connections that are looked at in one go


class Listener:
    """Implements `house.House`."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.closing = False
        self.heads: Heads[Target] = Heads()
        self._servers: list[asyncio.Server | Entrance] = []
        self._moment = 0.0
        self._begun = 0
        self._waiting: deque[Guest] = deque()
        self.date = b""
        self._tell_time()
        self._looking = self.loop.create_task(self._look_on(), name="connections")

    @classmethod
    async def open(
        cls, app: Application, *socks: socket.socket, tls: ssl.SSLContext | None = None, turns: Turns | None = None
    ) -> Self:
        """Listen on bound sockets, which are closed with it. `turns` says when it is ours to accept, where other
        processes listen on them too: these stay open."""
        opened = cls(app)
        for sock in socks:
            if tls is None and sock.family != socket.AF_UNIX and sys.platform != "win32":
                if turns is None:
                    sock.listen(_BACKLOG)
                    sock.setblocking(False)
                entrance = Entrance(sock, lambda: Connection(opened), lambda: len(opened.connections), turns)
                opened._servers.append(entrance)
                continue
            serve = opened.loop.create_server if sock.family != socket.AF_UNIX else opened.loop.create_unix_server
            opened._servers.append(await serve(lambda: Connection(opened), sock=sock, ssl=tls, backlog=_BACKLOG))
        return opened

    def _tell_time(self) -> None:
        """The `Date` header's line (RFC 9110, 6.6.1), which is good for a second."""
        self.date = b"date: " + formatdate(time.time(), usegmt=True).encode() + b"\r\n"

    def start(self, connection: Guest, now: float) -> bool:
        """Of what comes at one moment only so much is begun at once, so that the loop soon looks again who else has
        come; of what comes beside only so much waits, so that nobody waits for long. `now` stands still while the loop
        reads (as it does on uvloop)."""
        if now != self._moment:
            self._moment, self._begun = now, 0
        if self._begun < _AT_ONCE and not self._waiting:
            self._begun += 1
            connection.run()
            return True
        if len(self._waiting) >= _MOST_WAITING:
            return False
        if not self._waiting:
            self.loop.call_soon(self._start_waiting)
        self._waiting.append(connection)
        return True

    def _start_waiting(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            self._waiting.popleft().run()
        if self._waiting:
            self.loop.call_soon(self._start_waiting)

    async def close(self, drain: float) -> None:
        """Take nothing new; let what is under way end for at most `drain` seconds, then end it."""
        self.closing = True
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.shut()
        with suppress(TimeoutError):
            async with asyncio.timeout(drain):
                while tasks := self._tasks():
                    await asyncio.wait(tasks)
        await self._cut()
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)

    async def _cut(self) -> None:
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in tuple(self.connections):
            connection.shut()
        await asyncio.sleep(0)
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    def _tasks(self) -> "list[asyncio.Task[None]]":
        return [connection.task for connection in self.connections if connection.task is not None]

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            self._tell_time()
            connections = tuple(self.connections)
            for start in range(0, len(connections), _SLICE):
                now = self.loop.time()
                for connection in connections[start : start + _SLICE]:
                    connection.look(now)
                await asyncio.sleep(0)
