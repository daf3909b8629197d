"""Who is calling."""

from dataclasses import dataclass
from typing import Final

__all__ = ["LOCAL", "Principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` is stable and safe to log: `local`, or `key:` and the public part of a key."""

    id: str
    name: str


LOCAL: Final = Principal("local", "this machine")
