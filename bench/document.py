"""The toolgate.yaml that the bench serves: everything on that a gateway does to a call, and nothing that refuses."""

from collections.abc import Mapping
from typing import Any

__all__ = ["TEAM", "everything_on", "plain"]

TEAM = "bench"
_NEVER_REACHED = "900000000/minute"


def plain(servers: Mapping[str, Any]) -> dict[str, Any]:
    """These servers alone; keys required."""
    return {"version": 1, "sources": [], "servers": dict(servers), "access": {"anonymous": "never"}}


def everything_on(
    servers: Mapping[str, Any], collector: str = "", limits: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Keys required, a team with a list of what it may call, buckets for key and tool, and one call in a hundred traced
    where there is a collector. Validation, metrics, usage and audit are on by themselves."""
    return {
        **plain(servers),
        "limits": {"principal_rate": _NEVER_REACHED, "tool_rate": _NEVER_REACHED, **(limits or {})},
        "access": {
            "anonymous": "never",
            "teams": {TEAM: {"allow": [f"{name}__*" for name in servers]}},
            "without_team": "nothing",
        },
        "tracing": {"ratio": 0.01, **({"endpoint": collector} if collector else {})},
    }
