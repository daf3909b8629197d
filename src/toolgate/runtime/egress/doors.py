"""Accepts connections on the listeners that were bound inside a sandbox."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from toolgate.runtime.egress.pace import Pace

__all__ = ["Doors", "Serve"]

Serve = Callable[[socket.socket], Coroutine[Any, Any, None]]

_A_SECOND: Final = 200
_BURST: Final = 256
_WITHOUT_DESCRIPTORS: Final = 1.0
"""Seconds until accepting is tried again where it failed, as it does when the gateway has no descriptor left."""


class Doors:
    """At most `most` connections are served at a time. While there are as many, or more come than are accepted in a
    second, the others wait in the kernel's queue: whoever floods waits for himself, and costs the gateway nothing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pace = Pace(_A_SECOND, _BURST)
        self._listeners: dict[socket.socket, Serve] = {}
        self._served: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._accepting = False

    def open(self, listener: socket.socket, serve: Serve) -> None:
        """`serve` gets each connection, which is closed when that returns. The listener is closed by `shut`."""
        listener.setblocking(False)
        self._listeners[listener] = serve
        self._accepting = True
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def shut(self) -> None:
        """Accept nothing more, and end what is served; `gone` waits for that."""
        self._pause()
        if self._resuming:
            self._resuming.cancel()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for task in self._served:
            task.cancel()

    async def gone(self) -> None:
        await asyncio.gather(*self._served, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        if not self._accepting:  # paused within this turn of the loop
            return
        if wait := self._pace.take():
            self._pause(wait)
            return
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._pause(_WITHOUT_DESCRIPTORS)
            return
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._listeners[listener](connection))
        self._served.add(task)
        task.add_done_callback(partial(self._ended, connection))
        if len(self._served) >= self._most:
            self._pause()

    def _ended(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        connection.close()  # also where the task was cancelled before it began
        self._served.discard(task)
        if not self._accepting and not self._resuming:
            self._resume()

    def _pause(self, seconds: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        self._accepting = False
        for listener in self._listeners:
            loop.remove_reader(listener)
        if seconds:
            self._resuming = loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._resuming = None
        if len(self._served) >= self._most:
            return
        self._accepting = True
        for listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)
