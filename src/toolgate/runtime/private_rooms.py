"""Folders that one start has for itself, on a machine where it cannot have a file system of its own."""

import fcntl
import os
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

__all__ = ["Room", "Rooms"]

_PREFIX: Final = f"toolgate-{os.geteuid()}-" if hasattr(os, "geteuid") else "toolgate-"
_LOCK: Final = ".lock"
_PATIENCE: Final = 60.0  # seconds for the removal of what a server wrote


@dataclass(frozen=True, slots=True)
class Room:
    path: Path

    @property
    def tmp(self) -> Path:
        return self.path / "tmp"

    @property
    def home(self) -> Path:
        return self.path / "home"

    def remove(self) -> None:
        """Blocks. What cannot be removed is found again by the next gateway."""
        _remove(self.path)


class Rooms:
    """Below the machine's temporary folder, since a server's own user can pass no folder such as /root. The lock says
    that the gateway which made them lives, whatever became of its process id."""

    def __init__(self, below: Path | None = None) -> None:
        self._below = below or Path(tempfile.gettempdir())
        self._base: Path | None = None
        self._making = Lock()
        self._leave: Callable[[], object]

    def make(self, uid: int | None) -> Room:
        """For this user, or for who the gateway runs as. Raises `OSError`."""
        with self._making:
            base = self._base = self._base or self._begin()
        room = Room(Path(tempfile.mkdtemp(dir=base)))
        for folder in (room.tmp, room.home):
            folder.mkdir(mode=0o700)
            if uid is not None:
                os.chown(folder, uid, uid)
        room.path.chmod(0o711)
        return room

    def _begin(self) -> Path:
        self._sweep()
        base = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._below))
        base.chmod(0o711)
        lock = os.open(base / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._leave = weakref.finalize(self, _leave, base, lock, os.getpid())
        return base

    def close(self) -> None:
        """Remove them all. Blocks; the next is made anew."""
        with self._making:
            if self._base is not None:
                self._leave()
                self._base = None

    def _sweep(self) -> None:
        """Remove what gateways of the same user left behind that were killed."""
        for base in self._below.glob(f"{_PREFIX}*"):
            if base.lstat().st_uid == os.geteuid() and base.is_dir() and not base.is_symlink() and _left(base):
                _remove(base)


def _left(base: Path) -> bool:
    try:
        lock = os.open(base / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # not ours, or being made this moment
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _leave(base: Path, lock: int, pid: int) -> None:
    if os.getpid() == pid:
        _remove(base)
        os.close(lock)


def _remove(folder: Path) -> None:
    """By `rm`, which follows no link and minds neither depth nor length of what a server wrote there."""
    with suppress(OSError, subprocess.TimeoutExpired):
        if _run("rm", "-rf", "--", str(folder)):  # a folder that its owner may not read
            _run("chmod", "-R", "u+rwx", "--", str(folder))
            _run("rm", "-rf", "--", str(folder))


def _run(*command: str) -> int:
    program = f"/bin/{command[0]}"
    return subprocess.run(  # noqa: S603  # programs of the system, on our own folder
        (program, *command[1:]), check=False, timeout=_PATIENCE, capture_output=True, env={}
    ).returncode
