"""Children that do not outlive a gateway that was killed."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

__all__ = ["die_with_parent"]

_PR_SET_PDEATHSIG: Final = 1

# Looked up before any fork: the forked child of a process with threads should do no more than it must.
_prctl: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent() -> Callable[[], None] | None:
    """What a new child runs before it becomes the server (Linux only): the kernel then kills it when its parent dies.

    The signal is bound to the *thread* that forks, so that must be one that lives as long as the gateway: the loop's.
    """
    prctl, parent = _prctl, os.getpid()
    if prctl is None:
        return None

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return bind
