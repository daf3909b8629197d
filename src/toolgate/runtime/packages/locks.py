"""Locks between processes. The system lets one go when its holder dies."""

import os
import sys
from pathlib import Path

__all__ = ["available", "let_go", "share", "take"]

if sys.platform == "win32":

    def available() -> bool:
        return False

    def _lock(descriptor: int, *, shared: bool) -> None:
        raise OSError("not on Windows")
else:
    import fcntl

    def available() -> bool:
        return True

    def _lock(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def take(path: Path) -> int | None:
    """Hold this file alone; None where somebody holds it. Made where it is missing."""
    return _held(path, os.O_RDWR | os.O_CREAT, shared=False)


def share(path: Path) -> int | None:
    """Hold this file together with others; None where it is missing or somebody holds it alone."""
    return _held(path, os.O_RDONLY, shared=True)


def let_go(descriptor: int) -> None:
    os.close(descriptor)


def _held(path: Path, flags: int, *, shared: bool) -> int | None:
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        _lock(descriptor, shared=shared)
        if os.stat(path).st_ino == os.fstat(descriptor).st_ino:  # not one that was removed meanwhile
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
