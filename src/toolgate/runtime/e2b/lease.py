"""The time that a sandbox has: longer while it is used, and over soon after, also where nobody is left to end it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["Lease", "Term"]


@dataclass(frozen=True, slots=True)
class Term:
    """In seconds. A sandbox that was used within `look` gets `length` from then on."""

    length: int = 300
    look: float = 100.0


_LATE: Final = 3  # looks that may fail one after the other, since the term is about as long as so many


class Lease:
    """What a server reads and writes is its use, the gateway's own looks at its health included."""

    def __init__(self, term: Term, extend: Callable[[int], Awaitable[None]], tell: Callable[[str], None]) -> None:
        self._term = term
        self._extend = extend
        self._tell = tell
        self._is_used = False

    def used(self) -> None:
        self._is_used = True

    async def keep(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(self._term.look)
            if not self._is_used:
                continue
            self._is_used = False
            try:
                await self._extend(self._term.length)
                failures = 0
            except Exception as error:  # the SDK raises what four libraries raise; the sandbox may outlive it
                failures += 1
                self._is_used = True
                if failures == _LATE:
                    self._tell(f"the time of its sandbox could not be extended ({type(error).__name__})")
