"""How a server is held behind walls that stand, until it is told to go on.

bubblewrap ties the first process of its sandbox to the life of the gateway late, and its own --block-fd lets go when
the gateway dies. So whoever waits is a shell inside, at the server's own streams: by the time that it says so, all is
tied, and where nobody is left to answer it ends.
"""

import asyncio
import os
import re
from typing import Final, Self

from toolgate.errors import StartFailed
from toolgate.runtime.base import Output

__all__ = ["WAITER", "Held", "Informed"]

WAITER: Final = ("/bin/sh", "-c", 'echo; read -r _ || exit 1; exec "$@"', "sh")
"""Stands before the command that is held."""

_BUILT: Final = 20.0  # seconds; for a machine that is very busy
_PID: Final = re.compile(rb'"child-pid": *(\d+)')


class Held:
    """A `runtime.base.Output` before another: what comes before the server's own is for the gateway."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stands: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()

    async def stands(self) -> None:
        """Wait for the walls. Raises `StartFailed`, also when they took too long."""
        if self._stands is None:
            return
        try:
            async with asyncio.timeout(_BUILT):
                await self._stands
        except TimeoutError:
            raise StartFailed(f"its sandbox was not built within {_BUILT:g} s") from None
        finally:
            self._stands = None

    def line(self, line: bytes) -> None:
        if self._stands is None:
            self._output.line(line)
        elif not self._stands.done():
            self._stands.set_result(None)

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        self._output.oversized(head, tail, size)

    def said(self, text: str) -> None:
        self._output.said(text)

    def ended(self, reason: str) -> None:
        if self._stands is None:
            self._output.ended(reason)
        elif not self._stands.done():
            self._stands.set_exception(StartFailed(f"its sandbox could not be built: it {reason}"))
            self._stands.exception()  # whoever waited may have been cancelled, and nobody else asks


class Informed:
    """What bubblewrap says of its sandbox (--info-fd). A context."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()
        self._open = {self._ours, self.theirs}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("--info-fd", str(self.theirs))

    def pid(self) -> int:
        """A process inside of the sandbox that stands. Raises `StartFailed`."""
        os.set_blocking(self._ours, False)
        try:
            match = _PID.search(os.read(self._ours, 4096))
        except BlockingIOError:
            match = None
        if match is None:
            raise StartFailed("its sandbox could not be built: bubblewrap does not say where it is")
        return int(match[1])
