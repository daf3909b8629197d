"""The WORLD that a start was told, and what attacks have in common.

It is JSON in the last argument (see `tests.attacks.world`), whose paths go without their first slash and whose marks go
backwards, so that nothing is shown for being named and nothing is found in its own command line.
"""

import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

MIB = 2**20
PATIENCE = 10  # seconds that one attack may take

libc = ctypes.CDLL(None, use_errno=True)
world: dict[str, Any] = json.loads(sys.argv[-1])
secret, victim, folder, mount = (f"/{world[name]}" for name in ("secret", "victim", "folder", "mount"))
mark, shown = world["mark"][::-1], world["shown"][::-1]
others = [f"/{path}" for path in world["others"]]
TMP = os.environ.get("TMPDIR", "/tmp")  # noqa: S108  # inside
PARENT = os.getppid()


def contains(path: str, text: str) -> bool:
    with open(path, "rb") as file:
        return text.encode() in file.read(MIB)


def any_of(step: Callable[[Any], object], tried: Iterable[Any]) -> bool:
    """Whether one comes through; those that fail do not keep the others from trying."""
    for one in tried:
        with contextlib.suppress(OSError):
            if step(one):
                return True
    return False


def opens(path: str, flags: int) -> bool:
    os.close(os.open(path, flags))
    return True
