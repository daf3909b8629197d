"""JSON read so that nothing is lost: `1`, `1.0` and `true` differ, and numbers keep every digit they were sent with."""

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Number", "exact"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


def exact(text: str | bytes) -> Any:
    """The value, for comparison. Raises `ValueError` for what is not JSON, and for a member that is there twice."""
    return json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=_members)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError(f"a member is there twice among {[name for name, _ in pairs]}")
    return members
