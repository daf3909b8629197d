"""What the Landlock of this kernel can hold back, and the rules that let a server see what it must.

The access rights are those of <linux/landlock.h>; each version of its interface knows some more.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

__all__ = [
    "READ",
    "SCOPES_SINCE",
    "TRUNCATES_SINCE",
    "Handled",
    "attributes",
    "beneath",
    "handled",
    "system",
    "version",
    "writing",
]

_CREATE_RULESET: Final = 444
_VERSION: Final = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 13, 1 << 14, 1 << 15
_FIRST: Final = (1 << 13) - 1

_NETWORK_SINCE: Final = 4
TRUNCATES_SINCE: Final = 3
SCOPES_SINCE: Final = 6
"""From this version on, signals and abstract sockets do not reach out of the sandbox."""

READ: Final = _READ_FILE | _READ_DIR | _EXECUTE
_DEVICE: Final = _READ_FILE | _WRITE_FILE

_FOLDERS: Final = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/alternatives", "/etc/fonts"),
    *("/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage", "/proc/self"),
)
_FILES: Final = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/timezone", "/etc/mime.types"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/os-release"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/version"),
    *("/proc/filesystems", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/pipe-max-size", "/proc/sys/kernel/hostname"),
    *("/proc/sys/kernel/osrelease", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/random/uuid"),
)
_NAMES: Final = ("/etc/hosts", "/etc/resolv.conf", "/etc/host.conf", "/etc/gai.conf")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class Handled(NamedTuple):
    """What is denied unless a rule allows it; 0 where the kernel cannot."""

    filesystem: int
    network: int
    scopes: int


def version() -> int:
    """Of the interface, 1 and up; 0 where the kernel has no Landlock or it is not switched on."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_long(0), ctypes.c_long(_VERSION))))


def handled(abi: int, *, network: bool) -> Handled:
    filesystem = _FIRST | sum(right for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)) if abi >= since)
    return Handled(filesystem, 3 if abi >= _NETWORK_SINCE and not network else 0, 3 if abi >= SCOPES_SINCE else 0)


def attributes(abi: int) -> int:
    """Bytes of `struct landlock_ruleset_attr` in that version."""
    return 8 if abi < _NETWORK_SINCE else 16 if abi < SCOPES_SINCE else 24


def writing(abi: int) -> int:
    """Everything beneath a folder but devices."""
    return handled(abi, network=True).filesystem & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)


def system(*, network: bool) -> list[tuple[str, int]]:
    """What every server sees of the machine."""
    readable = (*_FOLDERS, *_FILES, *(_NAMES if network else ()))
    return [(path, READ) for path in readable] + [(path, _DEVICE) for path in _DEVICES]


def beneath(folder: Path, hidden: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Rules for all in a folder but what is hidden. A rule cannot make an exception from another, so beside what is
    hidden each file gets one of its own; what comes into being there later is not seen."""
    if not any(Path(path).is_relative_to(folder) for path in hidden):
        yield str(folder), READ
        return
    yield str(folder), _READ_DIR
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.path not in hidden and not entry.is_symlink():
                yield from beneath(Path(entry.path), hidden)
