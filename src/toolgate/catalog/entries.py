"""One server's items under the names that clients see."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Raw

from toolgate.catalog.snapshot import Entry, Part, Route
from toolgate.model.names import exposed_name
from toolgate.model.tool import Item, Kind
from toolgate.protocol.envelope import dump, fields

__all__ = ["PREFIXED", "Exposed", "address", "own", "renamed"]

PREFIXED: Final = (Kind.TOOLS, Kind.PROMPTS)
"""The kinds that are called by name and so get the server's name in front where several servers meet. Resources keep
their URI, since results link to it."""


def own(server: str, items: Iterable[Item]) -> Part:
    """The items under the server's own names, as `/servers/{server}/mcp` shows them. Of two with one name the first
    stays: there is no way to ask the server for the second."""
    entries: dict[str, Entry] = {}
    for item in items:
        if item.name not in entries:
            entries[item.name] = Entry(item.name, Route(server, item.name, item.raw), item.raw)
    return entries


def prefixed(server: str, kind: Kind, own: Part) -> Part:
    """The server's own entries under `server__name`."""
    entries: dict[str, Entry] = {}
    for entry in own.values():
        name = exposed_name(server, entry.name)
        if name in entries:
            name = exposed_name(server, entry.name, distinct=True)
        if name not in entries:
            entries[name] = renamed(entry, kind, name)
    return entries


def renamed(entry: Entry, kind: Kind, name: str) -> Entry:
    """The same entry under another name; all else of its JSON stays as the server sent it."""
    members = fields(entry.item, "an item")
    members[kind.key] = Raw(dump(name))
    return Entry(name, entry.route, dump(members))


def address(server: str, uri: str) -> str:
    """The second name of a resource or template whose URI an earlier server uses too."""
    return f"toolgate://{server}/{uri}"


class Exposed:
    """The entries that one server puts into a list of several servers: prefixed ones for tools and prompts, own ones
    for resources and templates."""

    __slots__ = ("_asked", "_beside", "_kind", "_last", "_server", "part")

    def __init__(self, server: str, kind: Kind, own: Part) -> None:
        self.part = prefixed(server, kind, own) if kind in PREFIXED else own
        self._server = server
        self._kind = kind
        self._asked: frozenset[str] = frozenset()
        self._beside: dict[str, Entry] = {}
        self._last: tuple[frozenset[str], Part] | None = None

    def beside(self, taken: Mapping[str, object]) -> Part:
        """They, where these names are taken by earlier servers: what has such a name is shown under its `address`, and
        not at all where that is taken, too. The same names make the same object."""
        if taken.keys().isdisjoint(self.part):
            return self.part
        if not self._asked:
            self._asked = frozenset(self.part).union(address(self._server, name) for name in self.part)
        met = frozenset(name for name in self._asked if name in taken)
        if self._last is None or self._last[0] != met:
            self._last = met, self._addressed(met)
        return self._last[1]

    def _addressed(self, taken: frozenset[str]) -> Part:
        entries: dict[str, Entry] = {}
        for name, entry in self.part.items():
            if name not in taken and name not in entries:
                entries[name] = entry
            elif (other := address(self._server, name)) not in taken and other not in entries:
                if other not in self._beside:
                    self._beside[other] = renamed(entry, self._kind, other)
                entries[other] = self._beside[other]
        return entries
