"""What ends servers when the gateway is no more, in whatever state they are.

A child can ask the kernel to be killed with its parent. But a sandbox consists of several processes, and one that is
killed while it makes the next leaves that waiting for ever. All of them are in one process group, of which one small
shell for each gateway is told; it reads until the gateway's end of the pipe is closed, and kills what it was told of.
"""

import asyncio
import os
from contextlib import suppress
from typing import Final

__all__ = ["GroupKeeper"]

_SCRIPT: Final = """
groups=' '
while read -r what group; do
    case $what in
    add) groups="$groups$group " ;;
    del) case $groups in *" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;; esac ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done
"""
_ENDED: Final = 5.0  # seconds


class GroupKeeper:
    """Begun with the first group. Where it cannot be, the kernel's own means are all that there is."""

    def __init__(self) -> None:
        self._pipe = -1
        self._process: asyncio.subprocess.Process | None = None
        self._beginning = asyncio.Lock()

    async def begin(self) -> None:
        async with self._beginning:
            if self._process is not None and self._process.returncode is None:
                return
            await self.close()
            theirs, ours = os.pipe()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", _SCRIPT, stdin=theirs, stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL, env={}, cwd="/", start_new_session=True,
                )  # fmt: skip
            except BaseException:
                os.close(ours)
                raise
            finally:
                os.close(theirs)
            self._pipe = ours

    def add(self, group: int) -> None:
        """It has to be told before anybody can wait for anything."""
        self._say(b"add %d\n" % group)

    def remove(self, group: int) -> None:
        """It is gone, and its number may soon be another's."""
        self._say(b"del %d\n" % group)

    async def close(self) -> None:
        """Whatever it still knows of is ended."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        if self._process is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ENDED):
                    await self._process.wait()
            self._process = None

    def _say(self, line: bytes) -> None:
        if self._pipe >= 0:
            with suppress(OSError):  # somebody has ended it
                os.write(self._pipe, line)
