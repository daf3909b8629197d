"""From the catalogues of servers to the views of endpoints."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from toolgate import __version__
from toolgate.catalog.entries import aggregate, exposed, own, renamed
from toolgate.catalog.snapshot import Entry, Listing, View
from toolgate.catalog.virtual import Bundle
from toolgate.model.names import SEPARATOR
from toolgate.model.tool import Catalogue, Kind

__all__ = ["ALL", "TOOLGATE", "ServerViews", "all_servers", "server_endpoint", "virtual_endpoint", "virtual_server"]

ALL: Final = "/mcp"
TOOLGATE: Final[Mapping[str, Any]] = {"name": "toolgate", "title": "Toolgate", "version": __version__}

_MAX_INSTRUCTIONS: Final = 2_000  # characters of each server's, where several are joined for a model to read

# What an endpoint of several servers says of itself: a server may still be starting when a client asks, and a legacy
# client asks only once.
_EVERYTHING: Final[Mapping[str, Any]] = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}


def server_endpoint(name: str) -> str:
    return f"/servers/{name}/mcp"


def virtual_endpoint(name: str) -> str:
    return f"/virtual/{name}/mcp"


class ServerViews:
    """What is made of one server's catalogue, once for each time that it is read."""

    __slots__ = ("catalogue", "exposed", "name", "view")

    def __init__(self, name: str, catalogue: Catalogue | None) -> None:
        self.name = name
        self.catalogue = catalogue
        known = catalogue or Catalogue({})
        self.exposed: Mapping[Kind, list[Entry]] = {kind: exposed(name, kind, known) for kind in Kind}
        self.view = View(
            listings={kind: Listing(own(name, kind, known.of(kind))) for kind in Kind},
            servers=(name,),
            capabilities=_mirrored(catalogue),
            server_info=known.server_info or TOOLGATE,
            instructions=known.instructions,
        )


def _mirrored(catalogue: Catalogue | None) -> Mapping[str, Any]:
    """The capabilities that a server declares, as far as the gateway carries them."""
    if catalogue is None or not catalogue.capabilities:
        return _EVERYTHING
    declared = {name: value for name, value in catalogue.capabilities.items() if name != "tasks"}
    for name in ("tools", "prompts", "resources"):
        if name in declared:
            declared[name] = {"listChanged": True}
    resources = catalogue.capabilities.get("resources")
    if isinstance(resources, dict) and resources.get("subscribe") is True:
        declared["resources"]["subscribe"] = True
    return declared


def all_servers(servers: Sequence[ServerViews]) -> View:
    """The view of `/mcp`."""
    return View(
        listings={
            kind: Listing(aggregate(kind, ((server.name, server.exposed[kind]) for server in servers))) for kind in Kind
        },
        servers=tuple(server.name for server in servers),
        capabilities=_with_extensions(servers),
        server_info=TOOLGATE,
        instructions=_joined(servers),
    )


def _with_extensions(servers: Sequence[ServerViews]) -> Mapping[str, Any]:
    """Everything, and each extension that a server has; of two servers' settings the first one's."""
    extensions: dict[str, Any] = {}
    for server in servers:
        declared = server.view.capabilities.get("extensions")
        if isinstance(declared, dict):
            extensions = declared | extensions
    return {**_EVERYTHING, "extensions": extensions} if extensions else _EVERYTHING


def _joined(servers: Sequence[ServerViews]) -> str:
    parts = [
        f"## {server.name}\nIts tools and prompts start with `{server.name}{SEPARATOR}`.\n\n"
        f"{server.view.instructions[:_MAX_INSTRUCTIONS]}"
        for server in servers
        if server.view.instructions
    ]
    return "\n\n".join(parts)


def virtual_server(bundle: Bundle, whole: View) -> View:
    """The part of `/mcp` that a bundle names, under the names that it gives."""
    listings = {kind: Listing(_picked(bundle, kind, whole.of(kind))) for kind in Kind}
    return View(
        listings=listings,
        servers=tuple(
            name
            for name in whole.servers
            if any(entry.route.server == name for listing in listings.values() for entry in listing.entries)
        ),
        capabilities=_EVERYTHING,
        server_info={**TOOLGATE, "title": bundle.name},
    )


def _picked(bundle: Bundle, kind: Kind, listing: Listing) -> list[Entry]:
    picked: dict[str, Entry] = {}
    for pick in bundle.of(kind):
        for entry in listing.entries:
            if fnmatchcase(entry.name, pick.pattern):
                picked.setdefault(pick.name or entry.name, renamed(entry, kind, pick.name) if pick.name else entry)
    return list(picked.values())
