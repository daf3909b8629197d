"""What goes wrong, over and over, until the end."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from bench.gateway import Gateway
from bench.soak.cast import Cast, Vanishing, document, revoked_key_is_refused

__all__ = ["Trouble"]

_PATIENCE = 40.0  # seconds


class Trouble:
    """`done` counts what was done; `failed` says what did not go as it must."""

    def __init__(self, cast: Cast, running: Gateway, vanishing: Vanishing, collector: str) -> None:
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        self._cast = cast
        self._running = running
        self._vanishing = vanishing
        self._collector = collector
        self._tasks: list[asyncio.Task[None]] = []
        self._dice = random.Random(1)  # noqa: S311  # not for secrets

    def begin(self, minute: float) -> None:
        """`minute` is in seconds; a short soak has shorter ones."""
        plan: list[tuple[str, float, Callable[[], Awaitable[None]]]] = [
            ("servers died and came back", minute / 3, self._death),
            ("servers hung for a while", minute / 3, self._hanging),
            ("children were killed", minute / 2, self._kill_child),
            ("clients vanished", minute / 300, self._vanish),
            ("configurations were read", minute, self._reload),
            ("keys were made, used and revoked", minute, self._revoke),
        ]
        self._tasks = [asyncio.create_task(self._again(*each)) for each in plan]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _again(self, what: str, pause: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(pause * self._dice.uniform(0.5, 1.5))
            try:
                async with asyncio.timeout(_PATIENCE):
                    await work()
            except (OSError, AssertionError) as error:
                self.failed.append(f"{what}: {type(error).__name__}: {error}"[:300])
            self.done[what] += 1

    async def _death(self) -> None:
        await self._cast.dying.die()
        await asyncio.sleep(self._dice.uniform(0.1, 3))
        await asyncio.shield(self._cast.dying.rise())

    async def _hanging(self) -> None:
        self._cast.hanging.hang()
        try:
            await asyncio.sleep(self._dice.uniform(0.5, 5))
        finally:
            self._cast.hanging.go_on()

    async def _kill_child(self) -> None:
        for process in self._running.child.below():
            process.kill()

    async def _vanish(self) -> None:
        await self._vanishing.one()

    async def _reload(self) -> None:
        """With a server that was not there before, and without the one of last time."""
        servers = self._cast.servers()
        servers[f"extra-{self.done['configurations were read'] % 7}"] = {"url": self._cast.steady.url}
        self._running.write(document(servers, self._collector))
        await self._running.api("/api/v1/reload", "POST")

    async def _revoke(self) -> None:
        name = f"key-{self.done['keys were made, used and revoked']}"
        if not await revoked_key_is_refused(self._running, name):
            self.failed.append(f"{name} did not work, or worked after it was revoked")
