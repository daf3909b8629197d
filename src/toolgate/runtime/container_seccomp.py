"""What `seccomp.program` says, in the words of container engines (the profile of Docker, which podman reads too)."""

import errno
import json
from typing import Any, Final

from toolgate.runtime.seccomp import DENIED, HIDDEN, NAMESPACES

__all__ = ["profile"]

_FAMILIES: Final = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_HIGHEST: Final = 64
_BUILT_WITH: Final = frozenset({"sethostname", "pivot_root", "mount", "umount2", "chroot"})
"""What engines do themselves once the filter holds, where they set it early; a server lacks the capabilities."""


def profile() -> str:
    rules = [
        _rule(sorted(set(DENIED) - _BUILT_WITH), errno.EPERM),
        _rule(sorted(HIDDEN), errno.ENOSYS),
        *(_rule(["clone", "unshare"], errno.EPERM, _bit(bit)) for bit in _bits(NAMESPACES)),
        *(_rule(["socket"], errno.EAFNOSUPPORT, _is(family)) for family in range(_HIGHEST) if family not in _FAMILIES),
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})


def _rule(names: list[str], number: int, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": number, "args": list(arguments)}


def _bit(bit: int) -> dict[str, Any]:
    return {"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}


def _is(value: int) -> dict[str, Any]:
    return {"index": 0, "value": value, "op": "SCMP_CMP_EQ"}


def _bits(mask: int) -> list[int]:
    return [1 << place for place in range(mask.bit_length()) if mask & 1 << place]
