"""Recorded calls, as the tests of this room make them up."""

import msgspec

from toolgate.observe.recorded import Recorded

__all__ = ["recorded"]

_PLAIN = Recorded(
    at=1_700_000_000.0,
    seconds=0.004,
    request="0123456789abcdef",
    principal="key:laptop",
    principal_name="laptop",
    team="platform",
    method="tools/call",
    server="time",
    name="now",
    era="modern",
    outcome="ok",
    sent=100,
    received=300,
)


def recorded(**changes: object) -> Recorded:
    """A call that went well, with these changes."""
    return msgspec.structs.replace(_PLAIN, **changes)
