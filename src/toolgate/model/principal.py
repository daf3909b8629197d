"""Who is calling."""

from dataclasses import dataclass
from typing import Final

__all__ = ["ANYBODY", "LOCAL", "Principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` is stable and safe to log: `local`, or `key:` and the public part of a key. `teams` are in alphabetical
    order, so that callers of the same teams compare equal in them."""

    id: str
    name: str
    teams: tuple[str, ...] = ()
    proven: bool = True
    """By a key, or by what only this machine's own user can read."""


LOCAL: Final = Principal("local", "this machine")

ANYBODY: Final = Principal("local", "this machine", proven=False)
"""Whoever comes without a key from this machine, which may be another user of it, or what a web page talked into it."""
