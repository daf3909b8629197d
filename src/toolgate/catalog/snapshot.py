"""The immutable view of everything routable. It is built beside the road and swapped as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from toolgate.model.tool import Kind

__all__ = ["Listing", "Route", "Snapshot", "View"]


@dataclass(frozen=True, slots=True)
class Route:
    """Where an exposed name leads: the server, and what the server itself calls the thing."""

    server: str
    name: str
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Listing:
    """One list as a client sees it: exposed name → route, in order, and the JSON of each item under that name."""

    routes: Mapping[str, Route]
    items: tuple[bytes, ...]
    names: tuple[str, ...]
    positions: Mapping[str, int]

    @classmethod
    def of(cls, entries: Iterable[tuple[str, Route, bytes]]) -> "Listing":
        listed = list(entries)
        names = tuple(name for name, _, _ in listed)
        return cls(
            routes=MappingProxyType({name: route for name, route, _ in listed}),
            items=tuple(item for _, _, item in listed),
            names=names,
            positions=MappingProxyType({name: at for at, name in enumerate(names)}),
        )


EMPTY = Listing.of(())


@dataclass(frozen=True, slots=True)
class View:
    """What one endpoint shows. `servers` are the names of the servers behind it, in order."""

    listings: Mapping[Kind, Listing]
    servers: tuple[str, ...]
    capabilities: Mapping[str, object]
    instructions: str = ""

    def of(self, kind: Kind) -> Listing:
        return self.listings.get(kind, EMPTY)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Views by endpoint path: `/mcp`, `/servers/{server}/mcp`, `/virtual/{name}/mcp`."""

    revision: int
    views: Mapping[str, View]
