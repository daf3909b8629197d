"""Who is calling."""

from dataclasses import dataclass
from typing import Final

__all__ = ["LOCAL", "Principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` is stable and safe to log: `local`, or `key:` and the public part of a key. `teams` are in alphabetical
    order, so that callers of the same teams compare equal in them."""

    id: str
    name: str
    teams: tuple[str, ...] = ()


LOCAL: Final = Principal("local", "this machine")
