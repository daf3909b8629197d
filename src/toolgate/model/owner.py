"""Whom a server or a secret belongs to: the whole gateway (an empty text), a caller or a team."""

from typing import Final

from toolgate.model.principal import LOCAL, Principal

__all__ = ["EVERYBODY", "acts_for", "is_seen", "owners_of", "team_owner"]

EVERYBODY: Final = ""
"""What belongs to the gateway itself: everybody may use it, as far as `access` lets them."""

_USER: Final = "user:"  # before the name, so that a key that is called like a team is not taken for the team
_TEAM: Final = "team:"


def owners_of(principal: Principal) -> tuple[str, ...]:
    """Whom a caller may act for; the first is the caller itself."""
    if principal.id == LOCAL.id:
        return (EVERYBODY,)
    return (_USER + principal.name, *(_TEAM + team for team in principal.teams))


def team_owner(team: str) -> str:
    return _TEAM + team


def is_seen(principal: Principal, owner: str) -> bool:
    """Whether the caller may know of what belongs to `owner`."""
    return owner == EVERYBODY or acts_for(principal, owner)


def acts_for(principal: Principal, owner: str) -> bool:
    """Whether the caller may install, change and remove what belongs to `owner`: this machine's own user may for all,
    everybody else for themselves and their teams."""
    return principal.id == LOCAL.id or owner in owners_of(principal)
