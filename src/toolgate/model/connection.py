"""A server that was installed for an owner."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from toolgate.model.names import MAX_SERVER
from toolgate.model.owner import EVERYBODY

__all__ = ["Connection", "is_connection_name"]

_DIGEST: Final = 4  # bytes
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")


def is_connection_name(name: str) -> bool:
    """The name of a server that neither begins nor ends with `-` or `_`."""
    return len(name) <= MAX_SERVER and "__" not in name and _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Connection:
    """`definition` is in the terms of `servers` in toolgate.yaml. `card` is empty where there was none; `inputs` are
    the answers to what it asked for. Both have references where there are secrets. Times are in seconds since the
    epoch."""

    id: str
    owner: str
    name: str
    card: str
    title: str
    definition: Mapping[str, Any] = field(repr=False)
    created_at: float
    created_by: str
    updated_at: float
    updated_by: str
    status: str = "pending"
    tools: tuple[str, ...] = ()
    last_used: float | None = None
    usage_count: int = 0
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def server(self) -> str:
        """The name of its server: its own where it is everybody's, else one that no two owners share."""
        if self.owner == EVERYBODY:
            return self.name
        text = f"{self.owner}\0{self.name}".encode("utf-8", "surrogatepass")
        digest = blake2b(text, digest_size=_DIGEST).hexdigest()
        return f"{self.name[: MAX_SERVER - 1 - 2 * _DIGEST].rstrip('-_')}-{digest}"
