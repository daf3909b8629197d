"""Token buckets: who may have how many calls in how long."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, NamedTuple, Protocol

from toolgate.model.rate import Rate

__all__ = ["Buckets", "LocalBuckets", "Short", "Want"]

_MOST: Final = 50_000  # buckets at a time, about 10 MB
_HAIR: Final = 1e-7  # seconds: whoever waited as long as told is let in, however the sums were rounded


class Want(NamedTuple):
    """One token out of one bucket. `key` names the bucket; `interval` and `slack` are the rate's, in seconds."""

    key: str
    interval: float
    slack: float
    kind: str
    whose: str
    rate: Rate

    @staticmethod
    def of(kind: str, whose: str, rate: Rate) -> "Want":
        interval = rate.interval
        return Want(f"{kind} {whose}", interval, interval * (rate.burst - 1), kind, whose, rate)


class Short(NamedTuple):
    """The bucket that is empty, and after how many seconds it has a token again."""

    want: Want
    wait: float


class Buckets(Protocol):
    """Where the buckets stand: in this process, or where several share them."""

    def take(self, wants: Sequence[Want]) -> Short | None:
        """A token out of each, or out of none: what one bucket refuses is not taken from the others. Never blocks."""
        ...


class LocalBuckets:
    """A bucket is one number: the moment at which it would be full again (GCRA, the virtual scheduling algorithm of
    ITU-T I.371). So it needs no timer, and one that is full can be forgotten."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        """`clock` is in seconds and never goes back; `most` bounds the number of buckets."""
        self._clock = clock
        self._most = most
        self._full_at: dict[str, float] = {}

    def take(self, wants: Sequence[Want]) -> Short | None:
        now = self._clock()
        full_at = self._full_at
        for want in wants:
            wait = full_at.get(want.key, now) - now - want.slack
            if wait > _HAIR:
                return Short(want, wait)
        for want in wants:
            full = full_at.get(want.key, now)
            full_at[want.key] = (full if full > now else now) + want.interval  # noqa: FURB136  # a fifth of a call of this
        if len(full_at) > self._most:
            self._make_room(now)
        return None

    def _make_room(self, now: float) -> None:
        """Full ones go, and nothing is lost with them. Where that is not enough, the oldest go too: those who hold so
        many buckets are let in more often than they should be, others are not refused for it."""
        kept = {key: full for key, full in self._full_at.items() if full > now}
        spare = len(kept) - self._most * 3 // 4
        self._full_at = dict(islice(kept.items(), spare, None)) if spare > 0 else kept

    def __len__(self) -> int:
        return len(self._full_at)
