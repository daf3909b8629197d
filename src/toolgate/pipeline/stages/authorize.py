"""May this caller call this."""

from collections.abc import Awaitable, Mapping
from typing import Final

from toolgate.catalog.permitted import Permissions
from toolgate.catalog.snapshot import Route
from toolgate.config.model import Document
from toolgate.errors import Forbidden
from toolgate.model.names import exposed_name
from toolgate.model.principal import Principal
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.policy.teams import Decision, Rules

__all__ = ["Authorize"]

_HINT: Final = "ask for the rule to be widened, or use the key of a team that may"


class Authorize:
    """`permissions` are those that lists are shown by, so that what is listed can be called."""

    def __init__(self, permissions: Permissions, document: Document) -> None:
        self._permissions = permissions
        self.configure(document)

    def configure(self, document: Document, owners: Mapping[str, str] | None = None) -> bool:
        """Rules that hold from now on; `owners` are those of servers that belong to somebody. The answer says whether
        they differ from those before: then lists do too."""
        access = document.access
        teams = {name: team.allow for name, team in access.teams.items()}
        rules = Rules(teams, everything=access.without_team == "everything", owners=owners)
        return self._permissions.configure(rules)

    def __call__(self, call: Call, proceed: Proceed) -> Awaitable[Reply]:
        """Raises `Forbidden`, which names the team and the rule."""
        if call.sent is None and self._permissions.rules.covers(call.principal):
            self.check(call.principal, call.method, call.route)
        return proceed(call)

    def check(self, principal: Principal, action: str, route: Route) -> None:
        """Raises `Forbidden`."""
        permissions = self._permissions
        if permissions.rules.covers(principal):
            decision = permissions.decide(principal, action, route)
            if not decision.allowed:
                raise _refused(principal, action, route, decision)


def _refused(principal: Principal, action: str, route: Route, decision: Decision) -> Forbidden:
    who = f"{principal.name!r} ({', '.join(principal.teams) or 'no team'})"
    name = exposed_name(route.server, route.name) if action in {"tools/call", "prompts/get"} else route.name
    return Forbidden(
        f"{who} may not call {name!r} of server {route.server!r}: {decision.reason}",
        hint=_HINT,
        server=route.server,
        teams=list(principal.teams),
    )
