"""What is counted of one server over all of its links."""

from typing import Final

__all__ = ["Tally"]

_SMOOTHING: Final = 0.2


class Tally:
    """`latency` is in seconds, a moving average; None before the first reply."""

    __slots__ = ("calls", "last_error", "latency")

    def __init__(self) -> None:
        self.calls = 0
        self.last_error = ""
        self.latency: float | None = None

    def replied(self, seconds: float) -> None:
        before = self.latency
        self.latency = seconds if before is None else before + _SMOOTHING * (seconds - before)
