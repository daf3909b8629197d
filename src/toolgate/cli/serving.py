"""A run of the gateway, from the bound socket to the last child: signals, reloads, draining."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any, Final

from toolgate.cli import collector
from toolgate.cli.announce import Announcer
from toolgate.cli.listen import url_of
from toolgate.cli.running import RunFile, Running
from toolgate.cli.settings import Settings
from toolgate.config.load import Loaded
from toolgate.config.watch import changes
from toolgate.errors import ConfigError
from toolgate.gateway import Gateway
from toolgate.http.entrance import Turns
from toolgate.identity.access import allows_anonymous
from toolgate.inbound.serve import serve
from toolgate.workers.seat import DRAINED, READY, Seat

__all__ = ["run"]

_GRACE: Final = 3.0  # seconds that children get to end by themselves
_TOGETHER: Final = 0.05  # seconds
_SETTLES: Final = 20.0  # seconds after which the first summary comes, whoever is still starting

# What is read once: all else of the document holds as soon as it was read again.
_FIXED: Final = (
    "listen", "workers", "database", "start_timeout", "tracing", "health", "record",
    "limits.request_bytes", "limits.response_bytes",
    "access.anonymous", "access.allowed_hosts", "access.allowed_origins",
)  # fmt: skip

log = logging.getLogger(__name__)


class _Stop:
    """The first signal drains, the second does not wait, the third does not even clean up."""

    def __init__(self, announcer: Announcer) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self._announcer = announcer

    def __call__(self) -> None:
        if self.hurried.is_set():
            os._exit(130)
        if self.asked.is_set():
            self.hurried.set()
            return
        self._announcer.stopping("stopping: calls in flight may end (once more to stop at once)")
        self.asked.set()


async def run(
    loaded: Loaded,
    settings: Settings,
    sock: socket.socket,
    host: str,
    announcer: Announcer,
    seat: Seat | None = None,
) -> int:
    """Serve until a signal says otherwise; the answer is the exit code. `seat` makes it one worker of several."""
    stop = _Stop(announcer)
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    announcer.found(loaded)
    token = secrets.token_urlsafe(32) if seat is None else seat.token
    released = _released(seat, stop.asked)
    gateway = await Gateway.open(loaded, read=settings.read, state=settings.state, token=token, host=host, seat=seat)
    collector.serve()
    try:
        listens = asyncio.Event()
        listening = _listening(gateway, settings, sock, host, token, announcer, listens, seat)
        async with _beside(_keep_current(gateway, reload, announcer), _tell_states(gateway, announcer, listens)):
            await _serve(gateway, sock, stop, listening, seat.loads.turn(seat.number) if seat is not None else None)
            if seat is not None:
                seat.tell(DRAINED)
                await released.wait()  # the calls of other workers may need what runs here
    finally:
        await gateway.close(0 if stop.hurried.is_set() else _GRACE)
        if seat is None:
            RunFile(settings.state).remove(os.getpid())
        elif seat.is_orphan:
            seat.doors.remove()
        announcer.close()
    return 130 if stop.hurried.is_set() else 0


def _listening(
    gateway: Gateway,
    settings: Settings,
    sock: socket.socket,
    host: str,
    token: str,
    announcer: Announcer,
    listens: asyncio.Event,
    seat: Seat | None,
) -> Callable[[], None]:
    def listening() -> None:
        url = url_of(sock)
        config = str(gateway.loaded.path) if gateway.loaded.path else None
        if seat is None or seat.leads:
            pid = os.getpid() if seat is None else seat.parent
            RunFile(settings.state).write(Running(pid, url, token, time.time(), config))
        if seat is not None:
            seat.tell(READY)
        anonymous = allows_anonymous(host, gateway.loaded.document.access.anonymous)
        announcer.listening(f"{url}/mcp", needs_key=not anonymous)
        listens.set()

    return listening


def _released(seat: Seat | None, stop: asyncio.Event) -> asyncio.Event:
    """Set when the parent lets its worker go, or is gone."""
    released = asyncio.Event()
    if seat is not None:
        loop, lifeline = asyncio.get_running_loop(), seat.lifeline

        def ended() -> None:
            loop.remove_reader(lifeline)
            released.set()
            stop.set()

        loop.add_reader(lifeline, ended)
    return released


async def _serve(
    gateway: Gateway, sock: socket.socket, stop: _Stop, listening: Callable[[], None], turns: Turns | None
) -> None:
    drain = gateway.loaded.document.drain
    serving = asyncio.create_task(serve(gateway, sock, stop=stop.asked, drain=drain, listening=listening, turns=turns))
    hurried = asyncio.create_task(stop.hurried.wait())
    await asyncio.wait((serving, hurried), return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if not serving.done():
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return
    await serving


async def _tell_states(gateway: Gateway, announcer: Announcer, listens: asyncio.Event) -> None:
    """Changes are told together where they come together: a server is ready a moment before it has told its tools."""
    await listens.wait()
    changed = asyncio.Event()
    unwatch = gateway.watch(changed.set)
    settling = asyncio.create_task(gateway.settled(_SETTLES))
    settling.add_done_callback(lambda _: changed.set())
    settled = False
    try:
        while True:
            await asyncio.sleep(_TOGETHER)
            if settling.done() and not settled:
                settled = True
                announcer.settled(gateway.report())
            else:
                announcer.servers(gateway.report())
            await changed.wait()
            changed.clear()
    finally:
        unwatch()
        settling.cancel()


async def _keep_current(gateway: Gateway, asked: asyncio.Event, announcer: Announcer) -> None:
    """Reload at each SIGHUP and whenever a file changes that the configuration was read from."""
    async with _beside(_watch_files(gateway, asked)):
        while True:
            await asked.wait()
            asked.clear()
            await _logged(_reload(gateway, announcer))


async def _watch_files(gateway: Gateway, asked: asyncio.Event) -> None:
    async for _ in changes(lambda: gateway.loaded.watched):
        asked.set()


async def _reload(gateway: Gateway, announcer: Announcer) -> None:
    before = gateway.loaded.document
    try:
        loaded = await gateway.reload()
    except ConfigError as error:
        hint = f" ({error.hint})" if error.hint else ""
        _notice(announcer, f"the new configuration is not used, the old one is served on: {error.message}{hint}")
        return
    log.info("the configuration was read again: %d servers", len(loaded.servers))
    announcer.reloaded(loaded)
    if changed := [name for name in _FIXED if attrgetter(name)(before) != attrgetter(name)(loaded.document)]:
        _notice(announcer, f"{', '.join(changed)} changed; that takes effect at the next start")


def _notice(announcer: Announcer, text: str) -> None:
    log.warning("%s", text)
    announcer.notice(text)


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something else meanwhile; what fails there is logged and does not end the serving."""
    tasks = [asyncio.create_task(_logged(coroutine)) for coroutine in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:  # a fault beside the road must be seen, and must not take the road down
        log.exception("something beside the serving failed")
