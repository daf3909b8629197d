"""What a team may call. Pure: the rules are data, a decision is worked out of its arguments."""

import re
from collections.abc import Hashable, Mapping, Sequence
from fnmatch import translate
from typing import Final, NamedTuple

from toolgate.model.names import SEPARATOR, exposed_name
from toolgate.model.owner import owners_of
from toolgate.model.principal import LOCAL, Principal

__all__ = ["Decision", "Rules"]

_WILD: Final = re.compile(r"[*?\[]")
# What is called by these has a name in a list; what other methods name is not a thing of the catalogue.
_LISTED: Final = frozenset(
    {
        "tools/call",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
    }
)


class Decision(NamedTuple):
    """`reason` names the team and the rule, for the one who is refused."""

    allowed: bool
    reason: str = ""


_ALLOWED: Final = Decision(True)
_FOREIGN: Final = Decision(False, "it was installed for somebody else")


class Rules:
    """`teams` are globs by team, over `server__name` and over `server` for all of a server; for a resource the name is
    its URI. A caller of several teams may call what any of them may. `everything`: callers of no team may call all.

    `owners` are those of servers that belong to somebody: nobody else may call them, and these may without a rule."""

    def __init__(
        self,
        teams: Mapping[str, Sequence[str]],
        *,
        everything: bool = True,
        owners: Mapping[str, str] | None = None,
    ) -> None:
        self._globs = {team: _any(allow) for team, allow in teams.items()}
        self._allow = {team: tuple(allow) for team, allow in teams.items()}
        self._everything = everything
        self._owners = dict(owners or {})
        self._owning = frozenset(self._owners.values())

    def covers(self, principal: Principal) -> bool:
        """Whether there is anything to decide for this caller."""
        return bool(self._owners) or self._ruled(principal)

    def standing(self, principal: Principal) -> Hashable:
        """What decisions depend on: callers of one standing may call the same."""
        if not self._owners:
            return principal.teams
        return principal.teams, principal.id == LOCAL.id, self._owning.intersection(owners_of(principal))

    def is_foreign(self, principal: Principal, server: str) -> bool:
        """Whether the server belongs to somebody else."""
        owner = self._owners.get(server)
        return owner is not None and owner not in owners_of(principal)

    @property
    def are_open(self) -> bool:
        """Whether they leave everything to everybody, but for keys of teams that have no rule."""
        return self._everything and not self._allow and not self._owners

    def _ruled(self, principal: Principal) -> bool:
        return bool(principal.teams) or not (self._everything or principal.id == LOCAL.id)

    def decide(self, principal: Principal, action: str, server: str, name: str) -> Decision:
        """Whether the caller may do `action` (a method of MCP) with what this server calls `name`. Methods of
        extensions are for those who may call anything of the server."""
        if server in self._owners:
            return _FOREIGN if self.is_foreign(principal, server) else _ALLOWED
        if not self._ruled(principal):
            return _ALLOWED
        if not principal.teams:
            return Decision(False, "`access.without_team` lets only keys of a team call anything")
        if action in _LISTED:
            allowed = self._may_call(principal.teams, server, name)
        else:
            allowed = self.reaches(principal, server)
        return _ALLOWED if allowed else Decision(False, self._why_not(principal.teams))

    def reaches(self, principal: Principal, server: str) -> bool:
        """Whether a rule could allow anything of the server."""
        if server in self._owners:
            return not self.is_foreign(principal, server)
        if not self._ruled(principal):
            return True
        return any(_may_name(glob, server) for team in principal.teams for glob in self._allow.get(team, ()))

    def _may_call(self, teams: Sequence[str], server: str, name: str) -> bool:
        # A name that is too long for /mcp is shown shortened there; rules may be written with either.
        names = {server, f"{server}{SEPARATOR}{name}", exposed_name(server, name)}
        return any(
            glob.match(candidate)
            for team in teams
            if (glob := self._globs.get(team)) is not None
            for candidate in names
        )

    def _why_not(self, teams: Sequence[str]) -> str:
        known = [team for team in teams if team in self._globs]
        if not known:
            return f"there is no rule for team {' or '.join(teams)} under `access.teams`"
        return f"no rule in {' or '.join(f'`access.teams.{team}.allow`' for team in known)} names it"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and self._said == other._said

    def __hash__(self) -> int:
        return hash((tuple(self._allow.items()), self._everything))

    @property
    def _said(self) -> tuple[object, ...]:
        return self._allow, self._everything, self._owners


def _any(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs) or r"(?!)")


def _may_name(glob: str, server: str) -> bool:
    """Whether there could be a thing of the server that the glob matches, or it is the server itself."""
    start = server + SEPARATOR
    literal = _WILD.split(glob, maxsplit=1)[0]
    if literal == glob:
        return glob == server or glob.startswith(start)
    return start.startswith(literal) or literal.startswith(start)
