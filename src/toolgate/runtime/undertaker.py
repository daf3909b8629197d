"""What removes a container when the gateway no longer wants it, or is no more."""

import asyncio
import os
from contextlib import suppress
from typing import Final, Self

from toolgate.runtime.container_engine import client_environment

__all__ = ["Undertaker"]

_BURIED: Final = 5.0  # seconds

# It waits until the gateway has closed its end of the pipe, which the kernel does for one that was killed.
_SCRIPT: Final = 'read -r _; exec "$0" rm --force --time 0 "$1" >/dev/null 2>&1'


class Undertaker:
    """Removes a container when its pipe is closed, which outlives the gateway: an engine's containers are no children
    of whoever asked for them."""

    def __init__(self, pipe: int, process: asyncio.subprocess.Process) -> None:
        self._pipe = pipe
        self._process = process

    @classmethod
    async def begin(cls, engine: str, container: str) -> Self:
        ours, theirs = os.pipe()[::-1]
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", _SCRIPT, engine, container,
                stdin=theirs, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                env=client_environment(), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return cls(ours, process)

    def release(self) -> None:
        pipe, self._pipe = self._pipe, -1
        if pipe >= 0:
            os.close(pipe)

    async def bury(self) -> None:
        self.release()
        with suppress(TimeoutError):  # it goes on by itself
            async with asyncio.timeout(_BURIED):
                await self._process.wait()
