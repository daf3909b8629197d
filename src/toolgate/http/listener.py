"""Where connections come in, what they share, and how they are ended."""

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from email.utils import formatdate
from typing import Final, Self

from toolgate.http.server import Application, Connection

__all__ = ["Listener"]

_BACKLOG: Final = 2048
_LOOK: Final = 1.0  # seconds between looks at the connections
_SLICE: Final = 256  # connections that are looked at in one go


class Listener:
    """Implements `server.House`."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.closing = False
        self._servers: list[asyncio.Server] = []
        self._second = 0
        self._date = b""
        self._looking = self.loop.create_task(self._look_on(), name="connections")

    @classmethod
    async def open(cls, app: Application, *socks: socket.socket, tls: ssl.SSLContext | None = None) -> Self:
        """Listen on bound sockets, which stay their owner's to close."""
        opened = cls(app)
        for sock in socks:
            serve = opened.loop.create_server if sock.family != socket.AF_UNIX else opened.loop.create_unix_server
            opened._servers.append(await serve(lambda: Connection(opened), sock=sock, ssl=tls, backlog=_BACKLOG))
        return opened

    @property
    def date(self) -> bytes:
        """The `Date` header's line (RFC 9110, 6.6.1)."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        return self._date

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
            connections = tuple(self.connections)
            for start in range(0, len(connections), _SLICE):
                now = self.loop.time()
                for connection in connections[start : start + _SLICE]:
                    connection.look(now)
                await asyncio.sleep(0)
