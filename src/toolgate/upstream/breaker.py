"""Whether a server is worth waiting for."""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from time import monotonic
from typing import Final

__all__ = ["Breaker", "Circuit"]

_CRASHES: Final = 3
_WINDOW: Final = 60.0  # seconds


class Circuit(StrEnum):
    CLOSED = "closed"
    """Calls wait for a start."""
    OPEN = "open"
    """Calls fail at once, and are told when it is tried again."""
    HALF_OPEN = "half-open"
    """The same while it is tried."""


class Breaker:
    """Opens when a start fails, or at the third crash within a minute; closes by itself with a start that succeeds.
    What crashes again within that minute opens it at once."""

    def __init__(
        self, crashes: int = _CRASHES, window: float = _WINDOW, clock: Callable[[], float] = monotonic
    ) -> None:
        self.circuit = Circuit.CLOSED
        self._window = window
        self._clock = clock
        self._crashed: deque[float] = deque(maxlen=crashes)

    def crashed(self) -> bool:
        """Whether it is open now."""
        now, known = self._clock(), self._crashed
        known.append(now)
        if len(known) == known.maxlen and now - known[0] <= self._window:
            self.circuit = Circuit.OPEN
        return self.circuit is Circuit.OPEN

    def failed(self) -> None:
        """A start did."""
        self.circuit = Circuit.OPEN

    def trying(self) -> None:
        if self.circuit is Circuit.OPEN:
            self.circuit = Circuit.HALF_OPEN

    def started(self) -> None:
        self.circuit = Circuit.CLOSED

    def reset(self) -> None:
        """A person asked for a start."""
        self.circuit = Circuit.CLOSED
        self._crashed.clear()
