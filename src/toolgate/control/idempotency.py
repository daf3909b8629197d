"""`Idempotency-Key`: a request that is sent again is answered as it was, and not done again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from typing import Any, Final

from toolgate.errors import Conflict, InvalidRequest

__all__ = ["Idempotency"]

_LONGEST: Final = 255  # characters of a key
_KEPT: Final = 86_400.0  # seconds
_MOST: Final = 1000

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Known:
    """`digest` is of the body, with a key of this process: there may be a secret in it."""

    digest: bytes
    until: float
    answer: asyncio.Future[Any]


class Idempotency:
    """Keeps what succeeded, for a day and at most a thousand answers; what failed may be tried again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[_Key, _Known] = {}
        self._secret = token_bytes(32)

    async def once(self, who: str, what: str, key: str | None, body: bytes, work: Callable[[], Awaitable[Any]]) -> Any:
        """What `work` answers, or answered before to the same caller, for the same request and key. Raises `Conflict`
        where the key came with another body."""
        if key is None:
            return await work()
        if not key or len(key) > _LONGEST or not key.isprintable():
            raise InvalidRequest(f"an Idempotency-Key has 1 to {_LONGEST} printable characters")
        digest = blake2b(body, key=self._secret, digest_size=16).digest()
        name = (who, what, key)
        known = self._find(name)
        if known is None:
            return await self._first(name, digest, work)
        if known.digest != digest:
            raise Conflict("this Idempotency-Key came with another request before", hint="make a new key for each")
        return await asyncio.shield(known.answer)

    async def _first(self, name: _Key, digest: bytes, work: Callable[[], Awaitable[Any]]) -> Any:
        task = asyncio.ensure_future(work())
        known = self._known[name] = _Known(digest, self._clock() + _KEPT, task)
        task.add_done_callback(lambda done: self._settle(name, known, done))
        # Who asked may go; what was begun is ended, and is there when they ask again.
        return await asyncio.shield(task)

    def _settle(self, name: _Key, known: _Known, done: "asyncio.Future[Any]") -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed and self._known.get(name) is known:
            del self._known[name]

    def _find(self, name: _Key) -> _Known | None:
        now = self._clock()
        while self._known and (len(self._known) >= _MOST or next(iter(self._known.values())).until <= now):
            del self._known[next(iter(self._known))]  # the oldest
        return self._known.get(name)
