"""Names: how a server, and what it offers, is called on the way out, and nothing about the way back.

The way back from an exposed name is a look-up in the snapshot, never a split of the string.
"""

import re
from hashlib import blake2b
from typing import Final

__all__ = ["MAX_EXPOSED", "MAX_SERVER", "SEPARATOR", "exposed_name", "is_server_name", "is_team_name", "server_name"]

SEPARATOR: Final = "__"
MAX_EXPOSED: Final = 64  # what the large model providers accept as the name of a function
MAX_SERVER: Final = 32

_SERVER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9-])?")
_TEAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_-]")


def is_server_name(name: str) -> bool:
    """Letters, digits, `_`, `-`; at most 32; no `__` and no `_` at the end, so that `server__tool` is unambiguous."""
    return len(name) <= MAX_SERVER and SEPARATOR not in name and _SERVER.fullmatch(name) is not None


def server_name(label: str) -> str:
    """The nearest valid server name to any label that people write: `My Server (beta)` becomes `My-Server-beta`."""
    name = re.sub(r"-{2,}", "-", _FOREIGN.sub("-", label))
    name = re.sub(r"_{2,}", "_", name).strip("-_")
    if is_server_name(name):
        return name
    return f"{name[: MAX_SERVER - 9].rstrip('-_') or 'server'}-{_digest(label)}"


def is_team_name(name: str) -> bool:
    """Letters, digits, `.`, `_`, `-`; at most 64. No comma, which stands between the teams of a key."""
    return _TEAM.fullmatch(name) is not None


def exposed_name(server: str, name: str, *, distinct: bool = False) -> str:
    """`server__name` where that is a valid name, else shortened and cleaned with a stable digest at its end.

    `distinct` asks for the digest in any case: for the second of two names that would meet.
    """
    exposed = f"{server}{SEPARATOR}{name}"
    clean = _FOREIGN.sub("_", exposed)
    if not distinct and clean == exposed and len(exposed) <= MAX_EXPOSED:
        return exposed
    return f"{clean[: MAX_EXPOSED - 9]}_{_digest(name)}"


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
