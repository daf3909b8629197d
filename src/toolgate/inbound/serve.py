"""Serving until somebody says stop."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from toolgate.http.application import Application
from toolgate.http.entrance import Turns
from toolgate.http.listener import Listener

__all__ = ["Drainable", "serve"]


class Drainable(Protocol):
    """A gateway as far as the server under it needs to know it."""

    @property
    def app(self) -> Application: ...

    def drain(self) -> None:
        """Refuse what is new and end the streams that would never end by themselves."""
        ...


async def serve(
    gateway: Drainable,
    sock: socket.socket,
    *,
    stop: asyncio.Event,
    drain: float,
    listening: Callable[[], None] = lambda: None,
    turns: Turns | None = None,
) -> None:
    """Serve on a bound socket until `stop` is set, then let calls in flight end for at most `drain` seconds. `turns`:
    other processes serve on it too."""
    listener = await Listener.open(gateway.app, sock, turns=turns)
    try:
        listening()
        await stop.wait()
        gateway.drain()
    except asyncio.CancelledError:
        drain = 0
        raise
    finally:
        await listener.close(drain)
