"""The immutable view of everything routable. It is built beside the road and swapped as a whole.

What there is tens of thousands of (routes, entries, items) is invisible to the garbage collector: it would look at each
of them in vain, while calls wait. None of them may ever lead back to itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any, Final

import msgspec
from msgspec import Struct

from toolgate.model.freshness import Freshness
from toolgate.model.tool import Kind

__all__ = ["EMPTY", "Entry", "Listing", "Part", "Route", "Snapshot", "View"]


class Route(Struct, frozen=True, gc=False, eq=False):
    """Where an exposed name leads: the server, what the server itself calls the thing, and how it listed it.

    `raw` is empty for a resource that is reached without having been listed. `memo` is what stages worked out about it,
    by the name of the stage: it is made anew with the route when its server's catalogue changes.
    """

    server: str
    name: str
    raw: bytes = b""
    memo: dict[str, Any] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Route({self.server!r}, {self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Route) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, bytes]:
        return self.server, self.name, self.raw


class Entry(Struct, frozen=True, gc=False):
    """One line of a list: the name a client sees, where it leads, and its JSON under that name."""

    name: str
    route: Route
    item: bytes


Part = Mapping[str, Entry]
"""Entries by their names, in order; for instance those of one server. Nobody changes it."""


class Listing:
    """One list as a client sees it: its entries in order, and the way from a name to what it leads to.

    It is made of parts, so that what a server changes is all that is made anew: the next listing has the others, too.
    """

    __slots__ = ("_index", "_parts")

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._index: Part = {entry.name: entry for entry in entries}
        self._parts: Sequence[Part] = (self._index,)

    @classmethod
    def of(cls, parts: Sequence[Part], index: Part) -> "Listing":
        """`index` is all of `parts`, no two of which have a name in common."""
        listing = cls(())
        listing._index, listing._parts = index, parts
        return listing

    @property
    def index(self) -> Part:
        return self._index

    @property
    def parts(self) -> Iterable[Part]:
        return self._parts

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self.index.values())

    @property
    def items(self) -> list[bytes]:
        return [entry.item for entry in self.index.values()]

    def route(self, name: str) -> Route | None:
        entry = self._index.get(name)
        return None if entry is None else entry.route

    def after(self, name: str | None, most: int) -> list[Entry]:
        """At most so many entries, from the first one or from the one after this. Raises `KeyError`."""
        found: list[Entry] = []
        for part in self.parts:
            if name is None:
                found += part.values()
            elif name in part:
                found += list(part.values())[list(part).index(name) + 1 :]
                name = None
            if len(found) >= most:
                return found[:most]
        if name is not None:
            raise KeyError(name)
        return found

    def is_as(self, other: "Listing") -> bool:
        """Whether a client reads the same."""
        mine, others = tuple(self.parts), tuple(other.parts)
        if len(mine) == len(others) and all(map(is_, mine, others)):
            return True
        return self.items == other.items

    def __len__(self) -> int:
        return len(self.index)


EMPTY: Final = Listing(())


@dataclass(frozen=True, slots=True)
class View:
    """What one endpoint shows.

    `servers` are the names of those behind it, in order. `server_info` is how the endpoint introduces itself. `more` is
    that of the catalogue, where there is one server. `freshness` is that of each server that the lists are made of;
    nothing where they are made for a caller.
    """

    listings: Mapping[Kind, Listing]
    servers: tuple[str, ...]
    capabilities: Mapping[str, Any]
    server_info: Mapping[str, Any]
    instructions: str = ""
    more: Mapping[str, bytes] = field(default_factory=dict)
    freshness: Sequence[Freshness] = ()

    def of(self, kind: Kind) -> Listing:
        return self.listings.get(kind, EMPTY)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Views by endpoint: `/mcp`, `/servers/{server}/mcp`, `/virtual/{name}/mcp`."""

    revision: int
    views: Mapping[str, View]
