"""The HTTP server under the front: uvicorn, driven by us."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import uvicorn

from toolgate.inbound.app import Application

__all__ = ["Drainable", "serve"]

_KEEP_ALIVE: Final = 75  # seconds that an idle connection is kept: longer than most clients' pools do
_BACKLOG: Final = 2048


class Drainable(Protocol):
    """A gateway as far as the server under it needs to know it."""

    @property
    def app(self) -> Application: ...

    def drain(self) -> None:
        """Refuse what is new and end the streams that would never end by themselves."""
        ...


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of the command that serves."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()


async def serve(
    gateway: Drainable,
    sock: socket.socket,
    *,
    stop: asyncio.Event,
    drain: float,
    listening: Callable[[], None] = lambda: None,
) -> None:
    """Serve on a bound socket until `stop` is set, then let calls in flight end for at most `drain` seconds."""
    config = uvicorn.Config(
        gateway.app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(drain)),
    )
    server = _Server(config, listening)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        gateway.drain()
        server.should_exit = True
        await serving
    finally:
        stopped.cancel()
