"""Noticing that files changed, by asking for their state: works on every file system, mount and platform alike."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

__all__ = ["changes"]

SETTLE: Final = 0.1
MAX_SETTLING: Final = 50

Signature = tuple[int, ...]


async def changes(paths: Callable[[], Iterable[Path]], interval: float = 1.0) -> AsyncIterator[None]:
    """Yield after any of the files changed, came or went. `interval` is in seconds; the first look is the base line.

    `paths` is asked again for every look, since a reload may name other files; a file that is seen for the first time
    is no change. A change is told when no file has changed for a short while, so that none is read half-written, but
    a file that never rests is not waited for without end.
    """
    seen = await _look(paths)
    while True:
        await asyncio.sleep(interval)
        now = await _look(paths)
        if not _differ(seen, now):
            seen = now
            continue
        for _ in range(MAX_SETTLING):
            await asyncio.sleep(min(SETTLE, interval))
            before, now = now, await _look(paths)
            if not _differ(before, now):
                break
        seen = now
        yield


async def _look(paths: Callable[[], Iterable[Path]]) -> Mapping[Path, Signature]:
    listed = tuple(paths())
    return await asyncio.to_thread(lambda: {path: _signature(path) for path in listed})


def _differ(before: Mapping[Path, Signature], now: Mapping[Path, Signature]) -> bool:
    return any(before[path] != signature for path, signature in now.items() if path in before)


def _signature(path: Path) -> Signature:
    """An atomic replacement changes the inode even where size and time stay."""
    try:
        state = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    except ValueError:  # a NUL in the path
        return ()
    return (state.st_mtime_ns, state.st_size, state.st_ino, state.st_dev, state.st_mode)
