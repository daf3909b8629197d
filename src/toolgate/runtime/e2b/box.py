"""What a sandbox is made of, and how it is found again."""

from collections.abc import Mapping
from dataclasses import dataclass

from toolgate.runtime.e2b.network import Outward

__all__ = ["Box"]


@dataclass(frozen=True, slots=True)
class Box:
    """A sandbox to be. Everyone with the key can read the `tags`, so they hold no secret."""

    template: str
    tags: Mapping[str, str]
    outward: Outward
    keeps: bool
    """Whether it is paused at the end of its time, not ended."""
    seconds: int
