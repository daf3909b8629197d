"""A rate: how many calls in how long, and how many at once."""

import re
from typing import Final, NamedTuple, Self

__all__ = ["Rate"]

_PER: Final = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
_TEXT: Final = re.compile(r"(\d{1,9})\s*/\s*(second|minute|hour|day)(?:\s+burst\s+(\d{1,9}))?")


class Rate(NamedTuple):
    """`calls` in each `per`; `burst` may come at once, after which they are let in evenly."""

    calls: int
    per: str
    burst: int

    @classmethod
    def of(cls, text: str) -> Self:
        """`100/minute` or `100/minute burst 20`; without a burst all that a period allows may come at once. Raises
        `ValueError`."""
        match = _TEXT.fullmatch(text.strip())
        if match is None or not int(match[1]) or int(match[3] or 1) == 0:
            raise ValueError('should be a rate such as "100/minute" or "100/minute burst 20"')
        return cls(int(match[1]), match[2], int(match[3] or match[1]))

    @property
    def interval(self) -> float:
        """Seconds between two calls that are let in evenly."""
        return _PER[self.per] / self.calls

    def __str__(self) -> str:
        text = f"{self.calls}/{self.per}"
        return text if self.burst == self.calls else f"{text} burst {self.burst}"
