"""What a caller may call, and so is shown: one decision for both."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from toolgate.catalog.build import server_endpoint
from toolgate.catalog.snapshot import Listing, Part, Route, Snapshot, View
from toolgate.errors import NotFound
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind
from toolgate.policy.teams import Decision, Rules

__all__ = ["Permissions", "permitted"]

_ACTIONS: Final = {
    Kind.TOOLS: "tools/call",
    Kind.PROMPTS: "prompts/get",
    Kind.RESOURCES: "resources/read",
    Kind.TEMPLATES: "resources/read",
}
_MOST: Final = 1_000  # views kept, and decisions about one route
_MEMO: Final = "permitted"

_Asked = tuple[str, Hashable]
"""An endpoint, and the standing of who asks; None for who may call everything while others may not."""


class Permissions:
    """The rules in force, what they say of each route, and the views that they leave of the newest snapshot."""

    def __init__(self) -> None:
        self.rules = Rules({})
        self._snapshot: Snapshot | None = None
        self._views: dict[_Asked, View] = {}
        self._before: Mapping[_Asked, View] = {}

    def configure(self, rules: Rules) -> bool:
        """Rules that hold from now on. The answer says whether they differ from those before."""
        if rules == self.rules:
            return False
        self.rules = rules
        self._views, self._before = {}, {}
        return True

    def decide(self, principal: Principal, action: str, route: Route) -> Decision:
        """`Rules.decide`, once for the standing of a caller and a route."""
        rules = self.rules
        memo = route.memo.get(_MEMO)
        if memo is None or memo[0] is not rules:
            memo = route.memo[_MEMO] = (rules, {})
        decisions: dict[tuple[Hashable, str], Decision] = memo[1]
        key = (rules.standing(principal), action)
        known = decisions.get(key)
        if known is None:
            if len(decisions) >= _MOST:
                decisions.clear()
            known = decisions[key] = rules.decide(principal, action, route.server, route.name)
        return known

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        """What this caller is shown at the endpoint. Raises `KeyError` where there is none, and `NotFound`, as if there
        were none, where its server belongs to somebody else."""
        whole = snapshot.views[endpoint]
        covered = self.rules.covers(principal)
        if covered and self._is_foreign(principal, endpoint, whole):
            raise NotFound(f"there is no endpoint {endpoint}", hint="GET /api/v1/servers lists the servers")
        if not covered and self.rules.are_open:
            return whole
        if self._snapshot is not snapshot:
            if self._snapshot is not None and snapshot.revision < self._snapshot.revision:
                return (
                    permitted(whole, principal, self) if covered else replace(whole, freshness=())
                )  # of a request that began before the last change
            self._snapshot, self._views, self._before = snapshot, {}, self._views or self._before
        key = (endpoint, self.rules.standing(principal) if covered else None)
        view = self._views.get(key)
        if view is None:
            if len(self._views) >= _MOST:
                self._views.clear()
            before = self._before.get(key)
            made = permitted(whole, principal, self, before) if covered else replace(whole, freshness=())
            view = self._views[key] = made
        return view

    def _is_foreign(self, principal: Principal, endpoint: str, view: View) -> bool:
        """Whether it is the endpoint of a server that belongs to somebody else."""
        return len(view.servers) == 1 and (
            endpoint == server_endpoint(view.servers[0]) and self.rules.is_foreign(principal, view.servers[0])
        )


def permitted(view: View, principal: Principal, permissions: Permissions, before: View | None = None) -> View:
    """The part of the view that the caller may call. Instructions are left out where they could tell of a server that
    is not shown, and so is what a server says of a list as a whole. `before` is the same of an earlier snapshot."""
    rules = permissions.rules
    servers = tuple(name for name in view.servers if rules.reaches(principal, name))
    shown = frozenset(servers)
    listings: dict[Kind, Listing] = {}
    for kind, whole in view.listings.items():
        known = before.listings.get(kind) if before is not None else None
        listings[kind] = _Permitted(whole, shown, partial(rules.decide, principal, _ACTIONS[kind]), known)
    return replace(
        view,
        listings=listings,
        servers=servers,
        instructions=view.instructions if len(servers) == len(view.servers) else "",
        more={},
        freshness=(),
    )


class _Permitted(Listing):
    """The entries that a caller may call, found a part at a time when somebody reads as far: a page costs what is on
    it and before it, once, and the next snapshot only what is new there."""

    __slots__ = ("_decide", "_known", "_read", "_servers", "_whole")

    def __init__(
        self, whole: Listing, servers: frozenset[str], decide: Callable[[str, str], Decision], before: Listing | None
    ) -> None:
        super().__init__(())
        self._whole = whole
        self._servers = servers
        self._decide = decide
        self._read: Part | None = None
        # By the identity of a part, which is nobody else's as long as the part is held here.
        self._known = before.still_known(whole) if isinstance(before, _Permitted) else {}

    def still_known(self, whole: Listing) -> dict[int, tuple[Part, Part]]:
        """What is known of the parts of another listing."""
        return {id(part): known for part in whole.parts if (known := self._known.get(id(part)))}

    @property
    def index(self) -> Part:
        if self._read is None:
            self._read = {name: entry for part in self.parts for name, entry in part.items()}
        return self._read

    @property
    def parts(self) -> Iterator[Part]:
        for part in self._whole.parts:
            known = self._known.get(id(part))
            if known is None:
                known = self._known[id(part)] = part, self._allowed(part)
            yield known[1]

    def route(self, name: str) -> Route | None:
        route = self._whole.route(name)
        return route if route is not None and self._allows(route) else None

    def _allowed(self, part: Part) -> Part:
        allowed = {name: entry for name, entry in part.items() if self._allows(entry.route)}
        return part if len(allowed) == len(part) else allowed

    def _allows(self, route: Route) -> bool:
        return route.server in self._servers and self._decide(route.server, route.name).allowed
