"""One server's items under the names that clients see."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Raw

from toolgate.catalog.snapshot import Entry, Route
from toolgate.model.names import exposed_name
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.protocol.envelope import dump, fields

__all__ = ["PREFIXED", "address", "aggregate", "own", "renamed"]

PREFIXED: Final = (Kind.TOOLS, Kind.PROMPTS)
"""The kinds that are called by name and so get the server's name in front where several servers meet. Resources keep
their URI, since results link to it."""


def own(server: str, kind: Kind, items: Iterable[Item]) -> list[Entry]:
    """The items under the server's own names, as `/servers/{server}/mcp` shows them. Of two with one name the first
    stays: there is no way to ask the server for the second."""
    entries: dict[str, Entry] = {}
    for item in items:
        entries.setdefault(item.name, Entry(item.name, Route(server, item.name, item.raw), item.raw))
    return list(entries.values())


def prefixed(server: str, kind: Kind, items: Iterable[Item]) -> list[Entry]:
    """The items under `server__name`."""
    entries: dict[str, Entry] = {}
    for entry in own(server, kind, items):
        name = exposed_name(server, entry.name)
        if name in entries:
            name = exposed_name(server, entry.name, distinct=True)
        entries.setdefault(name, renamed(entry, kind, name))
    return list(entries.values())


def renamed(entry: Entry, kind: Kind, name: str) -> Entry:
    """The same entry under another name; all else of its JSON stays as the server sent it."""
    members = fields(entry.item, "an item")
    members[kind.key] = Raw(dump(name))
    return Entry(name, entry.route, dump(members))


def address(server: str, uri: str) -> str:
    """The second name of a resource or template whose URI an earlier server uses too."""
    return f"toolgate://{server}/{uri}"


def aggregate(kind: Kind, by_server: Iterable[tuple[str, list[Entry]]]) -> Iterator[Entry]:
    """The entries of several servers in one list. `by_server` holds prefixed entries for tools and prompts and own
    ones for resources and templates; of these, a URI that stands in the list already is shown under its `address`."""
    taken: set[str] = set()
    for server, entries in by_server:
        for entry in entries:
            name = address(server, entry.name) if entry.name in taken else entry.name
            if name in taken:
                continue
            taken.add(name)
            yield entry if name == entry.name else renamed(entry, kind, name)


def exposed(server: str, kind: Kind, catalogue: Catalogue) -> list[Entry]:
    """The server's part of a list that several servers share."""
    return (prefixed if kind in PREFIXED else own)(server, kind, catalogue.of(kind))
