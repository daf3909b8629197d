"""How long to wait before the next try."""

import random
from typing import Final

__all__ = ["Backoff"]

_CAP: Final = 60.0  # seconds


class Backoff:
    """Doubles from `first` to 60 seconds; each wait is drawn from the upper half, so that servers that failed together
    are not tried together and none is tried at once.

    Begins anew after what was tried has held for `steady` seconds.
    """

    def __init__(self, first: float = 1.0, steady: float = 30.0) -> None:
        self._first = first
        self._steady = steady
        self._failures = 0

    def next(self, held: float) -> float:
        """Seconds to wait after something that held for `held` seconds."""
        if held >= self._steady:
            self._failures = 0
        ceiling = min(_CAP, self._first * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311  # jitter is no secret
