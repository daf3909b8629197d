"""The garbage collector of a program that loads much at its start, and of a gateway that serves for long."""

import gc
from typing import Final

__all__ = ["load", "serve"]

_LOADED: Final = 10_000  # objects that are made between two looks, while modules are loaded

_YOUNG: Final = 2_000  # objects more than before, after which the newest are looked at: 2 ms if all are garbage
_OLDER: Final = 20  # times that, after which those are that outlived it
_OLD: Final = 20  # times that, after which all are, where they have become a quarter more


def load() -> None:
    """From now on much is made that stays. To look for garbage in it every 700 objects takes a tenth of the start."""
    gc.set_threshold(_LOADED)


def serve() -> None:
    """All is loaded: 200,000 objects (modules, tables, the configuration) that stay until the end. They are not looked
    at again, which would hold up calls for 50 ms at a time. What calls leave is freed by its last reference; the rest
    is found seldom enough not to be felt."""
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLD)
