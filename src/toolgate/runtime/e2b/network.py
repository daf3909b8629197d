"""What a server may reach, as E2B's firewall takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from toolgate.errors import StartFailed
from toolgate.model.grant import USUAL, Grant
from toolgate.model.profile import ANYWHERE
from toolgate.runtime.egress.grants import Grants

__all__ = ["Outward", "outward"]

_ALL: Final = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Outward:
    """`allow` goes before `deny`. Both are empty where every public address is reached; E2B itself never lets private
    and link-local ones through."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = (_ALL,)


def outward(network: Sequence[str]) -> Outward:
    """Raises `StartFailed` for what cannot be said there."""
    if ANYWHERE in network:
        return Outward(deny=())
    try:
        Grants(network)
        return Outward(tuple(_allowed(entry, Grant.parse(entry)) for entry in network))
    except ValueError as error:
        raise StartFailed(f"its network: {error}") from None


def _allowed(entry: str, grant: Grant) -> str:
    if grant.address is not None:
        if not grant.address.is_global:
            raise StartFailed(_nothing_private(entry), hint="run it on this machine, or reach it by a public name")
        return str(grant.address)
    if grant.private:
        raise StartFailed(_nothing_private(entry), hint="run it on this machine, or reach it by a public name")
    if not set(grant.ports) <= set(USUAL):
        raise StartFailed(
            f"its network has {entry}, and E2B knows names at ports 443 and 80 only",
            hint="write the host's public address, or run it on this machine",
        )
    return grant.name


def _nothing_private(entry: str) -> str:
    return f"its network has {entry}, and nothing private is reached from E2B"
