"""How many connections each worker has, in memory that all of them see."""

import mmap
from typing import Final

__all__ = ["Loads", "Turn"]

_SHARE: Final = 16  # of its connections one may have more than another: so that a crowd comes in quickly
_NOBODY: Final = (1 << 32) - 1


class Loads:
    """Made before the workers are forked."""

    def __init__(self, count: int) -> None:
        self.cells = memoryview(mmap.mmap(-1, 4 * count)).cast("I")
        for number in range(count):
            self.ended(number)

    def ended(self, number: int) -> None:
        """Nobody waits for that worker to accept anything."""
        self.cells[number] = _NOBODY

    def turn(self, number: int) -> "Turn":
        return Turn(self.cells, number)


class Turn:
    """An `http.entrance.Turns`: it is the turn of whoever has hardly more than the fewest."""

    def __init__(self, cells: memoryview, number: int) -> None:
        self._cells = cells
        self._number = number
        cells[number] = 0

    def is_ours(self, connections: int) -> bool:
        cells = self._cells
        cells[self._number] = connections
        fewest = min(cells)
        return connections <= fewest + fewest // _SHARE + 1
