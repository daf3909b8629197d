"""Token buckets that all workers of one gateway take from."""

import mmap
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Final

from toolgate.policy.buckets import Short, Want

__all__ = ["SharedBuckets"]

_HAIR: Final = 1e-7  # seconds: whoever waited as long as told is let in, however the sums were rounded
_WAYS: Final = 8  # places that a bucket may have
_MOST: Final = 1 << 16  # buckets at a time, 1 MB
_PATIENCE: Final = 0.05  # seconds for another worker to take its token
_KNOWN: Final = 10_000  # names whose place is remembered
_WORD: Final = (1 << 64) - 1


class SharedBuckets:
    """A `policy.buckets.Buckets` in memory that is shared by those who were forked after it was made.

    A bucket is one number, as in `LocalBuckets`. It is found by the hash of its key, which is the same in all,
    since the seed of the hashes is made before a fork; `time.monotonic` is one clock for all processes. Where its
    places are taken, one that is full again goes, or else the one that would be full soonest: those who hold so many
    buckets are let in more often than they should be, others are not refused for it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        """`most` is a power of two."""
        self._clock = clock
        self._mask = most // _WAYS - 1
        lock = get_context("fork").Lock()
        self._acquire, self._release = lock.acquire, lock.release
        self._keys = memoryview(mmap.mmap(-1, most * 8)).cast("Q")
        self._full_at = memoryview(mmap.mmap(-1, most * 8)).cast("d")
        self._known: dict[str, tuple[int, int]] = {}

    def take(self, wants: Sequence[Want]) -> Short | None:
        locked = self._acquire(True, _PATIENCE)  # without it, one token too many at worst
        try:
            now = self._clock()
            full_at, keys, known = self._full_at, self._keys, self._known
            places: list[int] = []
            for want in wants:
                at = known.get(want.key)
                if at is None or keys[at[0]] != at[1]:
                    at = self._find(want.key, now)
                wait = full_at[at[0]] - now - want.slack
                if wait > _HAIR:
                    return Short(want, wait)
                places.append(at[0])
            for want, place in zip(wants, places, strict=True):
                full = full_at[place]
                full_at[place] = (full if full > now else now) + want.interval  # noqa: FURB136  # as in LocalBuckets
            return None
        finally:
            if locked:
                self._release()

    def _find(self, name: str, now: float) -> tuple[int, int]:
        """Its place, and what stands there for it."""
        keys, full_at = self._keys, self._full_at
        key = hash(name) & _WORD or 1
        places = range((key & self._mask) * _WAYS, (key & self._mask) * _WAYS + _WAYS)
        place = next((place for place in places if keys[place] == key), -1)
        if place < 0:
            place = min(places, key=full_at.__getitem__)
            keys[place], full_at[place] = key, now
        if len(self._known) >= _KNOWN:
            self._known.clear()
        found = self._known[name] = place, key
        return found

    def repair(self) -> None:
        """After a worker has died: it may have held the lock."""
        self._acquire(True, 2 * _PATIENCE)
        self._release()
