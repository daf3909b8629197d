"""The immutable view of everything routable. It is built beside the road and swapped as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from toolgate.model.tool import Kind

__all__ = ["EMPTY", "Entry", "Listing", "Route", "Snapshot", "View"]


@dataclass(frozen=True, slots=True)
class Route:
    """Where an exposed name leads: the server, what the server itself calls the thing, and how it listed it.

    `raw` is empty for a resource that is reached without having been listed. `memo` is what stages worked out about it,
    by the name of the stage: it is made anew with the route when its server's catalogue changes.
    """

    server: str
    name: str
    raw: bytes = field(default=b"", repr=False)
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


class Entry(NamedTuple):
    """One line of a list: the name a client sees, where it leads, and its JSON under that name."""

    name: str
    route: Route
    item: bytes


class Listing:
    """One list as a client sees it: its entries in order, and the way from a name to its place."""

    __slots__ = ("entries", "items", "positions")

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self.items: tuple[bytes, ...] = tuple(entry.item for entry in self.entries)
        self.positions: Mapping[str, int] = {entry.name: at for at, entry in enumerate(self.entries)}

    def route(self, name: str) -> Route | None:
        at = self.positions.get(name)
        return None if at is None else self.entries[at].route

    def __len__(self) -> int:
        return len(self.entries)


EMPTY: Final = Listing(())


@dataclass(frozen=True, slots=True)
class View:
    """What one endpoint shows.

    `servers` are the names of those behind it, in order. `server_info` is how the endpoint introduces itself.
    """

    listings: Mapping[Kind, Listing]
    servers: tuple[str, ...]
    capabilities: Mapping[str, Any]
    server_info: Mapping[str, Any]
    instructions: str = ""

    def of(self, kind: Kind) -> Listing:
        return self.listings.get(kind, EMPTY)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Views by endpoint: `/mcp`, `/servers/{server}/mcp`, `/virtual/{name}/mcp`."""

    revision: int
    views: Mapping[str, View]
