"""The catalogue of everything: the current snapshot, rebuilt beside the road and swapped as a whole."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from toolgate.catalog.build import ALL, ServerViews, Steps, all_servers, at_once, virtual_endpoint
from toolgate.catalog.bundled import Bundled
from toolgate.catalog.permitted import Permissions
from toolgate.catalog.snapshot import Snapshot, View
from toolgate.catalog.virtual import Bundle
from toolgate.model.principal import Principal
from toolgate.model.tool import Catalogue, Kind

__all__ = ["Catalog", "Changes"]

Changes = Mapping[str, frozenset[Kind]]
"""Which lists of which endpoints read differently than before."""

T = TypeVar("T")

_REST: Final = 4  # times as long as a build took, there is no other: a thousand servers that start come together
_LONGEST: Final = 0.04  # seconds of that
_TURN: Final = 0.001  # seconds after which others may run
_TOLD: Final = 100  # subscribers that are told in a step

_log = logging.getLogger(__name__)


class Catalog:
    """Holds `current`, and what of it each caller is shown. Servers that are down stay in it with their last good
    catalogue."""

    def __init__(self) -> None:
        self._servers: dict[str, ServerViews] = {}  # in order
        self._bundles: Sequence[Bundled] = ()
        self._learnt: dict[str, Catalogue] = {}  # and not in `current` yet
        self._subscribers: set[Callable[[Changes], None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._building: asyncio.Task[None] | None = None
        self._rests_until = 0.0
        self._swapped = asyncio.Event()
        self.permissions = Permissions()
        self.current = Snapshot(0, at_once(self._build({})))

    def configure(self, servers: Sequence[str], bundles: Sequence[Bundle] = ()) -> None:
        """Which servers there are, in order, and which bundles of them."""
        before = self._servers | {name: ServerViews(name, learnt) for name, learnt in self._learnt.items()}
        known = {bundled.bundle.name: bundled for bundled in self._bundles}
        self._learnt = {}
        self._servers = {name: before.get(name) or ServerViews(name, None) for name in servers}
        self._bundles = [
            same if (same := known.get(bundle.name)) and same.bundle == bundle else Bundled(bundle)
            for bundle in bundles
        ]
        changes = self._swap(at_once(self._build(self._servers)))
        for changed in tuple(self._subscribers) if changes else ():
            changed(changes)

    def learn(self, server: str, catalogue: Catalogue) -> None:
        """A server's catalogue was read. Several that come together are built into one snapshot."""
        known = self._servers.get(server)
        if known is None:
            return
        held = self._learnt.get(server, known.catalogue)
        if held == catalogue:
            held.freshness.follow(catalogue.freshness)
            return
        self.outdated(server)
        self._learnt[server] = catalogue
        self._build_soon()

    def outdated(self, server: str) -> None:
        """What is known of it may be wrong, so nobody is told to keep it."""
        known = self._servers.get(server)
        for held in (known.catalogue if known is not None else None, self._learnt.get(server)):
            if held is not None:
                held.freshness.end()

    async def built(self) -> None:
        """Wait until all that is learnt by now is in `current`."""
        wanted = set(self._learnt)
        for _ in range(2):  # the build that goes on, and the next one
            if not wanted & self._learnt.keys():
                return
            await self._swapped.wait()

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        """What this caller is shown at the endpoint. Raises `KeyError` where there is none."""
        return self.permissions.view(snapshot, endpoint, principal)

    def shown_otherwise(self) -> None:
        """The permissions changed: any list may read differently for somebody."""
        changes = dict.fromkeys(self.current.views, frozenset(Kind))
        for changed in tuple(self._subscribers):
            changed(changes)

    def is_unread(self, server: str) -> bool:
        """Whether `current` has nothing of what it offers, not even what it offered once."""
        known = self._servers.get(server)
        return known is not None and known.catalogue is None

    def subscribe(self, changed: Callable[[Changes], None]) -> Callable[[], None]:
        """`changed` is called after each swap that changed a list. The answer ends the subscription."""
        self._subscribers.add(changed)
        return lambda: self._subscribers.discard(changed)

    def _build_soon(self) -> None:
        if self._building is not None or self._timer is not None:
            return
        if (rest := self._rests_until - time.perf_counter()) > 0:
            self._timer = asyncio.get_running_loop().call_later(rest, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        self._timer = None
        self._building = asyncio.get_running_loop().create_task(self._build_beside(), name="build the catalogue")

    async def _build_beside(self) -> None:
        """One build, in steps between which calls are served."""
        began = time.perf_counter()
        configured, learnt = self._servers, dict(self._learnt)
        try:
            made = await _between_others(_views(learnt))
            servers = configured | made
            views = await _between_others(self._build(servers))
            if self._servers is configured:
                self._servers = servers
                self._learnt = {name: one for name, one in self._learnt.items() if learnt.get(name) is not one}
                await self._tell(self._swap(views))
            # Else there is a new configuration, and it took in what was learnt before it.
        except Exception:
            # A fault of ours costs the news of some servers, not the gateway, which serves on what it knew.
            _log.exception("the catalogue could not be built anew")
            return
        finally:
            self._building = None
            self._rests_until = time.perf_counter() + min(_LONGEST, _REST * (time.perf_counter() - began))
        if self._learnt:
            self._build_soon()

    def _build(self, servers: Mapping[str, ServerViews]) -> Steps[dict[str, View]]:
        whole = yield from all_servers(tuple(servers.values()))
        views = {ALL: whole}
        views.update((server.endpoint, server.view) for server in servers.values())
        yield
        for bundled in self._bundles:
            views[virtual_endpoint(bundled.bundle.name)] = yield from bundled.view(whole)
        return views

    def _swap(self, views: Mapping[str, View]) -> Changes:
        before, self.current = self.current, Snapshot(self.current.revision + 1, views)
        swapped, self._swapped = self._swapped, asyncio.Event()
        swapped.set()
        return _difference(before, self.current)

    async def _tell(self, changes: Changes) -> None:
        if not changes:
            return
        for at, changed in enumerate(tuple(self._subscribers), 1):
            if changed in self._subscribers:
                changed(changes)
            if at % _TOLD == 0:
                await asyncio.sleep(0)


def _views(learnt: Mapping[str, Catalogue]) -> Steps[dict[str, ServerViews]]:
    made: dict[str, ServerViews] = {}
    for name, catalogue in learnt.items():
        made[name] = ServerViews(name, catalogue)
        yield
    return made


async def _between_others(steps: Steps[T]) -> T:
    """Run the steps, and everybody else once every millisecond."""
    since = time.perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            made: T = done.value
            return made
        if time.perf_counter() - since > _TURN:
            await asyncio.sleep(0)
            since = time.perf_counter()


def _difference(before: Snapshot, after: Snapshot) -> Changes:
    changes: dict[str, frozenset[Kind]] = {}
    for endpoint, view in after.views.items():
        old = before.views.get(endpoint)
        if old is None or old is view:
            continue
        if kinds := frozenset(kind for kind in Kind if not view.of(kind).is_as(old.of(kind))):
            changes[endpoint] = kinds
    return changes
