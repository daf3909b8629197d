"""How late the event loop is: what every call on it waits for besides its own work."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

__all__ = ["LoopLag"]

_INTERVAL: Final = 0.5  # seconds
_KEPT: Final = 30  # samples: 15 seconds


class LoopLag:
    """One timer. `start` on the loop that is to be watched."""

    def __init__(self, interval: float = _INTERVAL) -> None:
        self._interval = interval
        self._late: deque[float] = deque(maxlen=_KEPT)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._plan()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def read(self) -> Iterable[tuple[tuple[str, ...], float]]:
        """The longest and the mean delay of the last 15 seconds, in seconds, for `toolgate_loop_lag_seconds`."""
        late = self._late or (0.0,)
        return [(("max",), max(late)), (("mean",), sum(late) / len(late))]

    def _plan(self) -> None:
        self._due = self._loop.time() + self._interval
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._late.append(max(0.0, self._loop.time() - self._due))
        self._plan()
