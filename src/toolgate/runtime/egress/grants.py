"""Whether a host and port are among what a server was granted (`model.grant`)."""

from collections.abc import Iterable
from typing import Final

from toolgate.model.grant import Grant

__all__ = ["Grants"]

_MOST_PORTS: Final = 64
"""Of one server: each is a listener, and all are passed in one message (SCM_MAX_FD is 253)."""


class Grants:
    """All that one server was granted. Raises ValueError as `Grant.parse`."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._grants = tuple(Grant.parse(entry) for entry in entries)
        self.names = tuple(dict.fromkeys(each.name for each in self._grants if each.exact and not each.address))
        self.addresses = tuple(dict.fromkeys(each.address for each in self._grants if each.address))
        self.ports = tuple(sorted({port for each in self._grants for port in each.ports}))
        if len(self.ports) > _MOST_PORTS:
            raise ValueError(f"at most {_MOST_PORTS} different ports can be reached, these are {len(self.ports)}")

    def know(self, name: str) -> bool:
        """Whether `name`, in lower case, is reached at any port."""
        return any(each.covers(name) for each in self._grants)

    def at(self, name: str, port: int) -> Grant | None:
        """What lets `name` be reached at `port`; of several, what lets it be private."""
        fitting = [each for each in self._grants if port in each.ports and each.covers(name)]
        return max(fitting, key=lambda each: each.private, default=None)
