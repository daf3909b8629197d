"""What is kept of a server between runs."""

from dataclasses import dataclass
from typing import Protocol

from toolgate.model.tool import Catalogue
from toolgate.protocol.eras import Era

__all__ = ["Memory", "Remembered"]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The era that a server spoke, and its last good catalogue."""

    era: Era
    catalogue: Catalogue


class Memory(Protocol):
    """Keeps what was learnt of servers. `fingerprint` changes when the definition does. Never blocks."""

    def recall(self, fingerprint: str) -> Remembered | None: ...

    def remember(self, fingerprint: str, remembered: Remembered) -> None: ...
