"""User ids that nobody has, for servers that a gateway of root starts."""

import hashlib
import pwd
from pathlib import Path
from typing import Final

__all__ = ["free_uid"]

# Above what systemd gives to containers and below its foreign range; and, where a container maps only few ids, those
# that systemd would give to services for as long as they run.
_RANGES: Final = (range(0x7000_0000, 0x7FF0_0000), range(61_184, 65_520))


def free_uid(owner: str) -> int:
    """The same for the same owner, of no user of this machine, and (but for one chance in 2^27) of no other owner."""
    free = next((ids for ids in _RANGES if _mapped(ids)), _RANGES[-1])
    at = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big")
    while True:
        uid = free[at % len(free)]
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid
        at += 1


def _mapped(ids: range) -> bool:
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    maps = [(int(first), int(size)) for first, _, size in (line.split() for line in lines)]
    return any(first <= ids[0] and ids[-1] < first + size for first, size in maps)
