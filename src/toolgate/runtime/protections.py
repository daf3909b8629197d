"""What a runtime really gives, found by trying it on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from toolgate.model.profile import Wall
from toolgate.runtime.base import Runtime

__all__ = ["Finding", "Grade", "Protections", "Sandbox"]


class Grade(StrEnum):
    ENFORCED = "enforced"
    PARTIAL = "partial"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Finding:
    """`reason` is for a person: how it is enforced, or why it is not."""

    grade: Grade
    reason: str = ""


Protections = Mapping[Wall, Finding]


class Sandbox(Runtime, Protocol):
    """A runtime that has a name, and knows what it can do here."""

    name: str

    async def probe(self) -> Protections:
        """Try a real canary against each wall. Every wall is in the answer; where nothing starts, all are absent and
        say why. Never raises; costs a few starts, so whoever asks keeps the answer."""
        ...

    async def close(self) -> None:
        """Wait until nothing is left of the servers that ended. No more are started."""
        ...
