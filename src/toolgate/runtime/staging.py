"""What a server of root's gateway is shown, put where its uid can reach it: in a mount namespace of its own.

bubblewrap runs under the uid that the server gets, and that can pass no folder such as /root. So every source is
mounted below a tmpfs first, in the forked child and for it alone. Where the file system allows, the mount is id-mapped:
what belongs to the owner of the source seems to belong to the server, so that what it is shown it can read, and what it
writes belongs to that owner.
"""

import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

__all__ = ["Identities", "Staged", "place", "stage"]

_PLACES: Final = ("/mnt", "/media", "/srv", "/tmp")  # noqa: S108  # covered, in the child's namespace alone
_CLONE_NEWNS: Final = 0x20000
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000
_MS_NOSUID_NODEV: Final = 2 | 4
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_AT_EMPTY_PATH: Final = 0x1000
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4
_MOUNT_ATTR_IDMAP: Final = 0x100000
_IDS: Final = 2**32 - 1
_KEPT: Final = 64

_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Staged:
    """`identity` is a descriptor of a user namespace, or -1 to show ids as they are."""

    source: str
    identity: int = -1


def place() -> str:
    """Where `stage` puts things: the first at `place()/0`, the next at `place()/1`."""
    return next(folder for folder in _PLACES if Path(folder).is_dir())


def stage(things: Sequence[Staged]) -> Callable[[], None]:
    """For the child, between fork and exec, while it is root."""
    at = place()
    targets = [(thing, f"{at}/{number}", Path(thing.source).is_dir()) for number, thing in enumerate(things)]

    def enter() -> None:
        _check(_libc.unshare(_CLONE_NEWNS))
        _check(_libc.mount(None, b"/", None, _MS_REC_PRIVATE, None))
        # All are opened before one of them may be covered.
        trees = [_tree(thing) for thing, _, _ in targets]
        _check(_libc.mount(b"tmpfs", at.encode(), b"tmpfs", _MS_NOSUID_NODEV, b"mode=0755,size=1m"))
        for tree, (_, target, is_folder) in zip(trees, targets, strict=True):
            if is_folder:
                os.mkdir(target, 0o755)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
            _check(_call(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH))
            os.close(tree)

    return enter


def _tree(thing: Staged) -> int:
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    tree = _check(_call(_OPEN_TREE, _AT_FDCWD, os.fsencode(thing.source), flags))
    if thing.identity >= 0:
        attributes = struct.pack("QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, thing.identity)
        with suppress(OSError):  # a file system that knows no mapping shows ids as they are
            _check(_call(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, attributes, len(attributes)))
    return tree


def _call(number: int, *arguments: int | bytes) -> int:
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *wide)
    return result


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Identities:
    """User namespaces that exchange one user of this machine for one server's, kept since each costs a process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[int, int, int], int] = {}

    def of(self, source: str, uid: int) -> int:
        """A descriptor, the caller's to close; -1 where there can be none. Takes some milliseconds the first time."""
        status = os.stat(source)
        key = (status.st_uid, status.st_gid, uid)
        with self._lock:
            if key not in self._kept:
                if len(self._kept) >= _KEPT:
                    os.close(self._kept.pop(next(iter(self._kept))))
                self._kept[key] = _namespace(*key)
            kept = self._kept[key]
            return os.dup(kept) if kept >= 0 else -1

    def close(self) -> None:
        with self._lock:
            for kept in self._kept.values():
                if kept >= 0:
                    os.close(kept)
            self._kept.clear()


def _namespace(owner: int, group: int, uid: int) -> int:
    command = ("unshare", "--user", "sh", "-c", "echo; read line")
    try:
        with subprocess.Popen(  # noqa: S603  # a fixed command
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": os.defpath}
        ) as held:
            assert held.stdout is not None  # noqa: S101  # as asked for
            held.stdout.readline()
            process = Path("/proc", str(held.pid))
            (process / "uid_map").write_text(_exchanged(owner, uid))
            (process / "gid_map").write_text(_exchanged(group, uid))
            return os.open(process / "ns/user", os.O_RDONLY)
    except OSError:
        return -1


def _exchanged(one: int, other: int) -> str:
    """Everybody is who he is, but for `one`, who becomes `other`."""
    low, high = sorted((one, other))
    parts = ((0, low), (low + 1, high), (high + 1, _IDS))
    same = [f"{first} {first} {end - first}" for first, end in parts if end > first]
    return "\n".join([f"{one} {other} 1", *same]) + "\n"
