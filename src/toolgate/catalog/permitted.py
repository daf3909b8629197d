"""What a caller may call, and so is shown: one decision for both."""

from dataclasses import replace
from typing import Final

from toolgate.catalog.snapshot import Listing, Route, Snapshot, View
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


class Permissions:
    """The rules in force, what they say of each route, and the views that they leave of the newest snapshot."""

    def __init__(self) -> None:
        self._rules = Rules({})
        self._snapshot: Snapshot | None = None
        self._views: dict[tuple[str, tuple[str, ...]], View] = {}

    @property
    def rules(self) -> Rules:
        return self._rules

    def configure(self, rules: Rules) -> bool:
        """Rules that hold from now on. The answer says whether they differ from those before."""
        if rules == self._rules:
            return False
        self._rules = rules
        self._views = {}
        return True

    def decide(self, principal: Principal, action: str, route: Route) -> Decision:
        """`Rules.decide`, once for the teams of a caller and a route."""
        rules = self._rules
        memo = route.memo.get(_MEMO)
        if memo is None or memo[0] is not rules:
            memo = route.memo[_MEMO] = (rules, {})
        decisions: dict[tuple[tuple[str, ...], str], Decision] = memo[1]
        key = (principal.teams, action)
        known = decisions.get(key)
        if known is None:
            if len(decisions) >= _MOST:
                decisions.clear()
            known = decisions[key] = rules.decide(principal, action, route.server, route.name)
        return known

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        """What this caller is shown at the endpoint. Raises `KeyError` where there is none."""
        whole = snapshot.views[endpoint]
        if not self._rules.covers(principal):
            return whole
        if self._snapshot is not snapshot:
            if self._snapshot is not None and snapshot.revision < self._snapshot.revision:
                return permitted(whole, principal, self)  # of a request that began before the last change
            self._snapshot, self._views = snapshot, {}
        key = (endpoint, principal.teams)
        view = self._views.get(key)
        if view is None:
            if len(self._views) >= _MOST:
                self._views.clear()
            view = self._views[key] = permitted(whole, principal, self)
        return view


def permitted(view: View, principal: Principal, permissions: Permissions) -> View:
    """The part of the view that the caller may call. Instructions are left out where they could tell of a server that
    is not shown."""
    servers = tuple(name for name in view.servers if permissions.rules.reaches(principal, name))
    return replace(
        view,
        listings={kind: _listing(view, kind, principal, permissions) for kind in Kind},
        servers=servers,
        instructions=view.instructions if len(servers) == len(view.servers) else "",
    )


def _listing(view: View, kind: Kind, principal: Principal, permissions: Permissions) -> Listing:
    action = _ACTIONS[kind]
    whole = view.of(kind)
    entries = [entry for entry in whole.entries if permissions.decide(principal, action, entry.route).allowed]
    return whole if len(entries) == len(whole) else Listing(entries)
