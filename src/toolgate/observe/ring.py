"""Where records wait for the one that writes them. Nothing is ever dropped from it: who makes more has to wait."""

import asyncio
from typing import Final

from toolgate.errors import AuditFull
from toolgate.observe.recorded import Recorded

__all__ = ["Ring"]


class Ring:
    """At most `capacity` records, and one for each call that was on its way when that was reached.

    `put` always takes what it is given. Who lets a call in looks at `full` first and awaits `room()` while it is set,
    so that nothing happens that cannot be recorded. For one event loop; `capacity` is at least twice `batch`.
    """

    def __init__(self, capacity: int, batch: int) -> None:
        if not 0 < batch <= capacity // 2:
            raise ValueError("a batch has to leave room for another one")
        self.full = False
        self.some: Final = asyncio.Event()
        """Set while something waits."""
        self.plenty: Final = asyncio.Event()
        """Set while a whole batch waits."""
        self._capacity: Final = capacity
        self._batch: Final = batch
        self._waiting: list[Recorded] = []
        self._taken: list[Recorded] = []
        self._room: Final = asyncio.Event()
        self._room.set()
        self._next = batch
        """How many have to wait for anything to change."""

    def __len__(self) -> int:
        """Those that are being written count until they are."""
        return len(self._waiting) + len(self._taken)

    def put(self, recorded: Recorded) -> None:
        waiting = self._waiting
        waiting.append(recorded)
        count = len(waiting)
        if count == 1 or count >= self._next:
            self._notice()

    def take(self) -> list[Recorded]:
        """The oldest, at most a batch: to be written, then `done()`. Until then every call answers the same ones."""
        if not self._taken:
            self._taken, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            self._notice()
        return self._taken

    def done(self) -> None:
        """What was taken is written."""
        self._taken = []
        self._notice()

    async def room(self, deadline: float) -> None:
        """Wait until there is room, for at most `deadline` seconds. Raises `AuditFull`."""
        try:
            async with asyncio.timeout(deadline):
                while self.full:
                    await self._room.wait()
        except TimeoutError:
            raise AuditFull(
                f"the audit log cannot be written, and {len(self)} calls wait for it already: no more are let in",
                hint="see that the database is reachable and not locked, and that its disk is not full; "
                "calls go on by themselves once it can be written",
            ) from None

    def _notice(self) -> None:
        count = len(self._waiting)
        _set(self.some, count > 0)
        _set(self.plenty, count >= self._batch)
        self.full = len(self) >= self._capacity
        self._next = self._batch if count < self._batch else self._capacity - len(self._taken)
        _set(self._room, not self.full)


def _set(event: asyncio.Event, on: bool) -> None:
    if on:
        event.set()
    else:
        event.clear()
