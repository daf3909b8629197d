"""Made-up calls."""

from typing import Final

from toolgate.observe.recorded import Recorded

__all__ = ["NOON", "a_call"]

NOON: Final = 1_790_000_000 // 3600 * 3600.0
"""The first second of an hour."""


def a_call(
    name: str = "search",
    *,
    at: float = NOON,
    seconds: float = 0.02,
    principal: str = "key:abcdefgh",
    team: str = "platform",
    server: str = "github",
    method: str = "tools/call",
    outcome: str = "ok",
    sent: int = 100,
    received: int = 300,
    cached: bool = False,
    request: str = "0123456789abcdef",
) -> Recorded:
    return Recorded(
        at=at,
        seconds=seconds,
        request=request,
        principal=principal,
        principal_name=f"the owner of {principal}",
        team=team,
        method=method,
        server=server,
        name=name,
        era="modern",
        outcome=outcome,
        sent=sent,
        received=received,
        cached=cached,
    )
