"""Two workers of one gateway in one process, and a front that gives each request to the other one than the last."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path

from toolgate.config.load import Loaded, load
from toolgate.gateway import Gateway
from toolgate.http.application import Application
from toolgate.http.listener import Listener
from toolgate.http.request import Answer, Request
from toolgate.inbound.elsewhere import Place
from toolgate.workers.buckets import SharedBuckets
from toolgate.workers.doors import Doors
from toolgate.workers.loads import Loads
from toolgate.workers.seat import Seat

__all__ = ["Turns", "Workers", "workers"]


class Turns:
    """An application that passes each request to the next of several."""

    def __init__(self, apps: Sequence[Application]) -> None:
        self._apps = cycle(apps)
        self._turn: dict[Request, Application] = {}

    def admit(self, request: Request) -> int | Answer:
        app = next(self._apps)
        admitted = app.admit(request)
        if not isinstance(admitted, Answer):
            self._turn[request] = app
        return admitted

    def too_large(self) -> Answer:
        return next(self._apps).too_large()

    def too_busy(self) -> Answer:
        return next(self._apps).too_busy()

    def at_once(self, request: Request) -> bool:
        app = self._turn[request]
        if app.at_once(request):
            del self._turn[request]
            return True
        return False

    def __call__(self, request: Request) -> Awaitable[None]:
        return self._turn.pop(request)(request)


class Workers:
    """`url` is that of the front, `urls` are those of the workers alone."""

    def __init__(self, gateways: Sequence[Gateway], url: str, urls: Sequence[str]) -> None:
        self.gateways = gateways
        self.url = url
        self.urls = urls


@asynccontextmanager
async def workers(file: Path, count: int = 2) -> AsyncIterator[Workers]:
    """Workers with this document, settled."""

    def read() -> Loaded:
        return load(file, env={"PATH": os.environ["PATH"]}, home=file.parent, cwd=file.parent)

    state = file.parent / "state"
    async with AsyncExitStack() as stack:
        doors = Doors.open(count, state)
        stack.callback(doors.remove)
        buckets = SharedBuckets()
        seats = [
            Seat(Place(number, count), os.getpid(), False, "run", "door", doors, buckets, Loads(count), -1, -1)
            for number in range(count)
        ]
        gateways = [
            await stack.enter_async_context(_open(await Gateway.open(read(), read=read, state=state, seat=seat)))
            for seat in seats
        ]
        urls = [await stack.enter_async_context(_listening(gateway.app)) for gateway in gateways]
        url = await stack.enter_async_context(_listening(Turns([gateway.app for gateway in gateways])))
        for gateway in gateways:
            await gateway.settled(20)
        await asyncio.sleep(0)
        yield Workers(gateways, url, urls)
        for gateway in gateways:
            gateway.drain()


@asynccontextmanager
async def _open(gateway: Gateway) -> AsyncIterator[Gateway]:
    yield gateway
    await gateway.close(1)


@asynccontextmanager
async def _listening(app: Application) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as the command that serves does
        listener = await Listener.open(app, sock)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        await listener.close(1)
