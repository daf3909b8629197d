"""For how long what a server said of itself may be kept, and for whom (2026-07-28, Caching)."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Final, NamedTuple

__all__ = ["INTRODUCTION", "NONE", "Freshness", "Hint"]

INTRODUCTION: Final = "server/discover"
"""Stands for how a server introduces itself, in whichever era, among the methods of its lists."""


class Hint(NamedTuple):
    """`read` is in seconds since the epoch, a clock that goes on while a machine sleeps; `seconds` count from then on.
    `public`: what was read may be given to anybody."""

    read: float
    seconds: float
    public: bool

    def left(self, now: float) -> float:
        """Seconds; none where the clock was put back, since nobody knows then."""
        return max(0.0, self.read + self.seconds - now) if now >= self.read else 0.0


NONE: Final = Hint(0.0, inf, True)
"""Of a list that a server does not have: it stands in nobody's way."""


class Freshness:
    """The hints of one server by method, as they are now. They change while the catalogue that they are about stays the
    same, and so are no part of what it is compared by."""

    __slots__ = ("_hints",)

    def __init__(self, hints: Mapping[str, Hint] | None = None) -> None:
        self._hints = dict(hints or {})

    @property
    def hints(self) -> Mapping[str, Hint]:
        return self._hints

    def of(self, method: str) -> Hint | None:
        return self._hints.get(method)

    @property
    def expires(self) -> bool:
        """Whether anything was said to be good for a time."""
        return any(0 < hint.seconds < inf for hint in self._hints.values())

    def follow(self, other: "Freshness") -> None:
        """The same was read again: what becomes of that holds for this."""
        self._hints = other._hints

    def end(self, methods: Iterable[str] | None = None) -> bool:
        """These, or all, are not fresh any more. The answer says whether any of them was meant to be."""
        ended = {
            method: Hint(hint.read, 0.0, hint.public)
            for method in (tuple(self._hints) if methods is None else methods)
            if (hint := self._hints.get(method)) is not None and hint.seconds
        }
        self._hints.update(ended)
        return bool(ended)
