"""How many child processes may run: in all, and for each owner."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from toolgate.errors import NoRoom

__all__ = ["Place", "Room"]

_WAITING: Final = 100  # starts that wait for a place
_PATIENCE: Final = 30.0  # seconds that they do
_LOOK: Final = 0.25  # seconds between two looks for a server that has become idle
_HINT: Final = "stop one with `toolgate stop SERVER`, or raise life.processes"
_HINT_OF_OWNER: Final = "stop one of them, or raise life.processes_per_owner"


class Place:
    """For one child process, from before its start until it is gone."""

    def __init__(self, room: "Room", owner: str) -> None:
        self._room: Room | None = room
        self._owner = owner

    def release(self) -> None:
        """May be called more than once."""
        room, self._room = self._room, None
        if room is not None:
            room.leave(self._owner)


class Room:
    """`spare(owner)` stops the idle server that was used longest ago: of this owner, or of anybody where it is None.
    What the configuration itself defines has no owner, and counts only in all."""

    def __init__(
        self, spare: Callable[[str | None], bool], most: int = 100, each: int = 20, patience: float = _PATIENCE
    ) -> None:
        self._spare = spare
        self._patience = patience
        self._taken: Counter[str] = Counter()
        self._waiting: dict[asyncio.Future[Place], str] = {}
        self.configure(most, each)

    def configure(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._give()

    def __len__(self) -> int:
        """Places that are taken."""
        return self._taken.total()

    def at_once(self, owner: str) -> Place | None:
        """None where there is no room, and nobody is asked to make some."""
        if not self._fits(owner):
            return None
        self._taken[owner] += 1
        return Place(self, owner)

    async def take(self, owner: str, server: str) -> Place:
        """Waits for a place, while idle servers make room. Raises `NoRoom`."""
        place = self.at_once(owner)
        if place is not None:
            return place
        if len(self._waiting) >= _WAITING:
            raise self._full(owner, server)
        turn: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = owner
        try:
            async with asyncio.timeout(self._patience):
                while not turn.done():
                    self._spare(owner if self._is_full_for(owner) else None)
                    await asyncio.wait([turn], timeout=_LOOK)
        except TimeoutError:
            if not turn.done():
                raise self._full(owner, server) from None
        except asyncio.CancelledError:
            if turn.done():
                turn.result().release()
            raise
        finally:
            self._waiting.pop(turn, None)
        return turn.result()

    def leave(self, owner: str) -> None:
        """See `Place.release`."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
        self._give()

    def _give(self) -> None:
        """To those that wait, in turn; one whose owner has its share holds up nobody else."""
        for turn, owner in tuple(self._waiting.items()):
            if not turn.done() and (place := self.at_once(owner)) is not None:
                turn.set_result(place)

    def _is_full_for(self, owner: str) -> bool:
        return bool(owner) and self._taken[owner] >= self._each

    def _fits(self, owner: str) -> bool:
        return len(self) < self._most and not self._is_full_for(owner)

    def _full(self, owner: str, server: str) -> NoRoom:
        if self._is_full_for(owner):
            said, hint = f"{self._each} servers of its owner run already", _HINT_OF_OWNER
        else:
            said, hint = f"{self._most} servers run already", _HINT
        waiting = len(self._waiting) - 1
        more = f", and {waiting} more wait for a place" if waiting > 0 else ""
        return NoRoom(f"there is no room for it: {said}, none of them idle{more}", hint=hint, server=server)
