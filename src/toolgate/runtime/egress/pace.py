"""How much of the gateway's time a server may take by asking."""

import time

__all__ = ["Pace"]


class Pace:
    """`a_second` of something, `burst` at once."""

    def __init__(self, a_second: float, burst: int) -> None:
        self._a_second = a_second
        self._burst = burst
        self._left = float(burst)
        self._at = time.monotonic()

    def take(self) -> float:
        """0.0 where one may be had now, and is taken; else the seconds until it may."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._a_second
        self._left -= 1
        return 0.0
