"""From the catalogues of servers to the views of endpoints.

What is made of one server is kept while its catalogue stays, so that the whole is joined of finished parts. Even that
is done in steps where there are many: whoever runs a `Steps` may let others run between any two.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final, TypeVar

from toolgate import __version__
from toolgate.catalog.entries import Exposed, own
from toolgate.catalog.snapshot import Listing, Part, View
from toolgate.model.names import SEPARATOR
from toolgate.model.tool import Catalogue, Kind

__all__ = [
    "ALL",
    "EVERYTHING",
    "TOOLGATE",
    "ServerViews",
    "Steps",
    "all_servers",
    "at_once",
    "server_endpoint",
    "virtual_endpoint",
]

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that may be left between any two of its steps, each of which takes about a millisecond; its value is made."""

ALL: Final = "/mcp"
TOOLGATE: Final[Mapping[str, Any]] = {"name": "toolgate", "title": "Toolgate", "version": __version__}

_STEP: Final = 2_000  # entries that are joined in a step
_MAX_INSTRUCTIONS: Final = 2_000  # characters of each server's, where several are joined for a model to read

# What an endpoint of several servers says of itself: a server may still be starting when a client asks, and a legacy
# client asks only once.
EVERYTHING: Final[Mapping[str, Any]] = {
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

    __slots__ = ("catalogue", "endpoint", "exposed", "instructions", "name", "view")

    def __init__(self, name: str, catalogue: Catalogue | None) -> None:
        self.name = name
        self.endpoint = server_endpoint(name)
        self.catalogue = catalogue
        known = catalogue or Catalogue({})
        parts = {kind: own(name, known.of(kind)) for kind in known.items}
        self.exposed = {kind: Exposed(name, kind, part) for kind, part in parts.items() if part}
        self.view = View(
            listings={kind: Listing.of((part,), part) for kind, part in parts.items()},
            servers=(name,),
            capabilities=_mirrored(catalogue),
            server_info=known.server_info or TOOLGATE,
            instructions=known.instructions,
            more=known.more,
            freshness=(known.freshness,),
        )
        self.instructions = _headed(name, known.instructions)
        """What an endpoint of several servers says of this one."""


def _mirrored(catalogue: Catalogue | None) -> Mapping[str, Any]:
    """The capabilities that a server declares, as far as the gateway carries them."""
    if catalogue is None or (catalogue.items and not catalogue.capabilities):
        return EVERYTHING
    declared = {name: value for name, value in catalogue.capabilities.items() if name != "tasks"}
    for name in ("tools", "prompts", "resources"):
        if name in declared:
            declared[name] = _announced(declared[name])
    return declared


def _announced(capability: Any) -> Mapping[str, Any]:
    """A capability of a list: the gateway tells of every change; of single resources it does where the server does."""
    members = capability if isinstance(capability, dict) else {}
    kept = {name: value for name, value in members.items() if name != "subscribe" or value is True}
    return {**kept, "listChanged": True}


def all_servers(servers: Sequence[ServerViews]) -> Steps[View]:
    """The view of `/mcp`."""
    listings: dict[Kind, Listing] = {}
    for kind in Kind:
        listings[kind] = yield from _joined([server.exposed[kind] for server in servers if kind in server.exposed])
    return View(
        listings=listings,
        servers=tuple(server.name for server in servers),
        capabilities=_with_extensions(servers),
        server_info=TOOLGATE,
        instructions="\n\n".join(server.instructions for server in servers if server.instructions),
        freshness=tuple(freshness for server in servers for freshness in server.view.freshness),
    )


def _joined(servers: Sequence[Exposed]) -> Steps[Listing]:
    index: dict[str, Any] = {}
    parts: list[Part] = []
    step = 0
    for server in servers:
        part = server.beside(index)
        parts.append(part)
        index.update(part)
        if len(index) - step >= _STEP:
            step = len(index)
            yield
    yield
    return Listing.of(parts, index)


def at_once(steps: Steps[T]) -> T:
    """All steps of a work, one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            made: T = done.value
            return made


def _with_extensions(servers: Sequence[ServerViews]) -> Mapping[str, Any]:
    """Everything, and each extension that a server has; of two servers' settings the first one's."""
    extensions: dict[str, Any] = {}
    for server in servers:
        declared = server.view.capabilities.get("extensions")
        if isinstance(declared, dict):
            extensions = declared | extensions
    return {**EVERYTHING, "extensions": extensions} if extensions else EVERYTHING


def _headed(server: str, instructions: str) -> str:
    if not instructions:
        return ""
    about = f"Its tools and prompts start with `{server}{SEPARATOR}`."
    return f"## {server}\n{about}\n\n{instructions[:_MAX_INSTRUCTIONS]}"
