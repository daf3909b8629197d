"""A deadline that only runs while the server has the call: a person who is asked something may take their time."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

__all__ = ["Deadline"]


class Deadline:
    """`async with` around what must end within `seconds`; raises `TimeoutError` like `asyncio.timeout`."""

    def __init__(self, seconds: float) -> None:
        self._timeout = asyncio.timeout(seconds)
        self._left = seconds
        self._holders = 0
        self._running = False

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._running = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running = False
        await self._timeout.__aexit__(kind, error, traceback)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The time inside does not count. May be entered several times at once."""
        self._holders += 1
        if self._holders == 1 and self._running and not self._timeout.expired():
            when = self._timeout.when()
            now = asyncio.get_running_loop().time()
            self._left = max(0.0, when - now) if when is not None else self._left
            self._timeout.reschedule(None)
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders and self._running and not self._timeout.expired():
                self._timeout.reschedule(asyncio.get_running_loop().time() + self._left)

    def end(self) -> None:
        """The time is up now, whoever holds it."""
        if self._running and not self._timeout.expired():
            self._timeout.reschedule(0)
