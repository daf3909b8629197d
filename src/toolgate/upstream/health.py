"""Regular checks: does every server that should answer still answer, and how fast?"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from toolgate.errors import ToolgateError
from toolgate.protocol.eras import Era
from toolgate.upstream.background import Background
from toolgate.upstream.base import Link

__all__ = ["Checks", "alive"]

_AT_ONCE: Final = 8
_DEADLINE: Final = 10.0  # seconds
_JITTER: Final = 0.1  # of the interval
_LOOK: Final = 1.0  # seconds after which a server that is new is noticed at the latest
_CHEAP: Final = {Era.LEGACY: "ping", Era.MODERN: "server/discover"}

_log = logging.getLogger(__name__)


class Checks:
    """Checks each of `names()` about every `interval` seconds, a few at a time, never one twice at once.

    `check(name)` raises where the server does not answer. `heard(name, seconds, error)` is told each result; `error` is
    empty where all is well. `start` on the event loop.
    """

    def __init__(
        self,
        names: Callable[[], Iterable[str]],
        check: Callable[[str], Awaitable[None]],
        heard: Callable[[str, float, str], None],
        interval: float = 30.0,
        deadline: float = _DEADLINE,
    ) -> None:
        self._names = names
        self._check = check
        self._heard = heard
        self._interval = interval
        self._deadline = min(deadline, interval)
        self._due: dict[str, float] = {}
        self._running: set[str] = set()
        self._background = Background(_AT_ONCE)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._go_on(), name="health-checks")

    async def close(self) -> None:
        """Checks under way are cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._background.close()

    async def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            # A server that is new is due within one interval, so that those that start together spread out.
            self._due = {name: self._due.get(name) or now + self._interval * random.random() for name in self._names()}  # noqa: S311  # jitter is no secret
            for name in [name for name, due in self._due.items() if due <= now and name not in self._running]:
                if not self._background.spawn(self._one(name), f"check {name}"):
                    break  # the others are as due in the next round
                self._running.add(name)
                self._due[name] = now + self._interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
            await asyncio.sleep(min(_LOOK, self._interval / 4))

    async def _one(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        began, error = loop.time(), ""
        try:
            async with asyncio.timeout(self._deadline):
                await self._check(name)
        except TimeoutError:
            error = f"no answer within {self._deadline:.0f} s"
        except ToolgateError as refused:
            error = refused.message
        except Exception as fault:
            # A fault of ours is no news of the server, and must not end the checks of it either.
            _log.exception("server %r could not be checked", name)
            error = f"it could not be checked: {type(fault).__name__}"
        finally:
            self._running.discard(name)
        self._heard(name, loop.time() - began, error)


async def alive(link: Link, timeout: float = _DEADLINE) -> None:
    """The cheapest request of the link's era. Whatever comes back, an error too, comes from a server that lives; it
    raises `UpstreamError` where nothing does (2025-11-25, Ping; 2026-07-28, Discovery)."""
    await link.request(_CHEAP[link.era], None, timeout)
