"""One writer of a file at a time, across processes."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from toolgate.errors import ConfigError

__all__ = ["locked"]

DEADLINE: Final = 10.0
_PAUSE: Final = 0.02

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, deadline: float = DEADLINE) -> Iterator[None]:
    """Hold the lock of this file for the block. Raises `ConfigError` after `deadline` seconds of waiting.

    The lock is a file of its own beside it, which stays: the file itself is replaced by every writer, and a lock that
    is removed could be held by two. The system lets it go when its holder dies.
    """
    beside = path.with_name(f".{path.name}.lock")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        give_up = time.monotonic() + deadline
        while True:
            try:
                _take(descriptor)
                break
            except OSError:
                if time.monotonic() >= give_up:
                    raise ConfigError(
                        "another program is changing this file",
                        file=str(path),
                        hint="try again in a moment",
                    ) from None
                time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)
