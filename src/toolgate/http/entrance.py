"""A listening socket: connections are accepted soon, not all at once; where several processes do, each in its turn."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

__all__ = ["Entrance", "Turns"]

_AT_ONCE: Final = 64  # connections accepted in one round of the loop
_GLANCE: Final = 0.001  # seconds that another process gets to accept
_EXHAUSTED: Final = 0.2  # seconds without accepting after there was no descriptor left

_log = logging.getLogger(__name__)


class Turns(Protocol):
    def is_ours(self, connections: int) -> bool:
        """Whether the next connection should be accepted here, where there are so many already."""
        ...


class Entrance:
    """Accepts a few in each round of the loop. uvloop's own servers take one in a round: of 256 clients that come
    together, the last waits for 256 rounds, each longer than the one before, while those that are in have the loop.

    Where several processes accept, each takes one and looks away for a moment where it is another's turn. Otherwise the
    first that wakes up would serve all that have come.
    """

    def __init__(
        self,
        sock: socket.socket,
        make: Callable[[], asyncio.Protocol],
        connections: Callable[[], int],
        turns: Turns | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._make = make
        self._connections = connections
        self._turns = turns
        self._arriving: set[asyncio.Task[None]] = set()
        self._looked_away = False
        self._closed = False
        self._loop.add_reader(sock, self._knocked)

    def _knocked(self) -> None:
        if self._turns is None:
            for _ in range(_AT_ONCE):
                if not self._accept():
                    return
        elif self._turns.is_ours(self._connections() + len(self._arriving)) or self._looked_away:
            self._looked_away = False
            self._accept()
        else:
            self._look_away(_GLANCE)
            self._looked_away = True

    def _accept(self) -> bool:
        try:
            accepted, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            _log.error("no connection can be accepted: %s", error)
            self._look_away(_EXHAUSTED)
            return False
        accepted.setblocking(False)
        task = self._loop.create_task(self._take_in(accepted))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        return True

    async def _take_in(self, accepted: socket.socket) -> None:
        with suppress(OSError):  # it has gone again
            await self._loop.connect_accepted_socket(self._make, accepted)

    def _look_away(self, seconds: float) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._sock, self._knocked)

    def close(self) -> None:
        """Accept no more. A socket that is no other process's is closed."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._sock)
            if self._turns is None:
                self._sock.close()
