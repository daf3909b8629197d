"""The catalogue of everything: the current snapshot, rebuilt beside the road and swapped as a whole."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from toolgate.catalog.build import (
    ALL,
    ServerViews,
    all_servers,
    server_endpoint,
    virtual_endpoint,
    virtual_server,
)
from toolgate.catalog.permitted import Permissions
from toolgate.catalog.snapshot import Snapshot, View
from toolgate.catalog.virtual import Bundle
from toolgate.model.principal import Principal
from toolgate.model.tool import Catalogue, Kind

__all__ = ["Catalog", "Changes"]

Changes = Mapping[str, frozenset[Kind]]
"""Which lists of which endpoints read differently than before."""


class Catalog:
    """Holds `current`, and what of it each caller is shown. Servers that are down stay in it with their last good
    catalogue."""

    def __init__(self) -> None:
        self._order: tuple[str, ...] = ()
        self._bundles: tuple[Bundle, ...] = ()
        self._servers: dict[str, ServerViews] = {}
        self._subscribers: set[Callable[[Changes], None]] = set()
        self._rebuild: asyncio.Handle | None = None
        self.permissions = Permissions()
        self.current = self._build(0)

    def configure(self, servers: Sequence[str], bundles: Sequence[Bundle] = ()) -> None:
        """Which servers there are, in order, and which bundles of them."""
        self._order = tuple(servers)
        self._bundles = tuple(bundles)
        self._servers = {name: self._servers.get(name) or ServerViews(name, None) for name in self._order}
        self._swap()

    def learn(self, server: str, catalogue: Catalogue) -> None:
        """A server's catalogue was read. Several that come together are built into one snapshot."""
        known = self._servers.get(server)
        if known is None or known.catalogue == catalogue:
            return
        self._servers[server] = ServerViews(server, catalogue)
        if self._rebuild is None:
            self._rebuild = asyncio.get_running_loop().call_soon(self._swap)

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        """What this caller is shown at the endpoint. Raises `KeyError` where there is none."""
        return self.permissions.view(snapshot, endpoint, principal)

    def shown_otherwise(self) -> None:
        """The permissions changed: any list may read differently for somebody."""
        changes = dict.fromkeys(self.current.views, frozenset(Kind))
        for changed in tuple(self._subscribers):
            changed(changes)

    def is_unread(self, server: str) -> bool:
        """Whether nothing is known of what it offers."""
        known = self._servers.get(server)
        return known is not None and known.catalogue is None

    def subscribe(self, changed: Callable[[Changes], None]) -> Callable[[], None]:
        """`changed` is called after each swap that changed a list. The answer ends the subscription."""
        self._subscribers.add(changed)
        return lambda: self._subscribers.discard(changed)

    def _swap(self) -> None:
        if self._rebuild is not None:
            self._rebuild.cancel()
            self._rebuild = None
        before, self.current = self.current, self._build(self.current.revision + 1)
        if changes := _difference(before, self.current):
            for changed in tuple(self._subscribers):
                changed(changes)

    def _build(self, revision: int) -> Snapshot:
        servers = [self._servers[name] for name in self._order]
        whole = all_servers(servers)
        views: dict[str, View] = {ALL: whole}
        views.update((server_endpoint(server.name), server.view) for server in servers)
        views.update((virtual_endpoint(bundle.name), virtual_server(bundle, whole)) for bundle in self._bundles)
        return Snapshot(revision, views)


def _difference(before: Snapshot, after: Snapshot) -> Changes:
    changes: dict[str, frozenset[Kind]] = {}
    for endpoint, view in after.views.items():
        old = before.views.get(endpoint)
        if old is None or old is view:
            continue
        if kinds := frozenset(kind for kind in Kind if old.of(kind).items != view.of(kind).items):
            changes[endpoint] = kinds
    return changes
