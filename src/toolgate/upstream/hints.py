"""What a server says of how long something may be kept, and by whom (2026-07-28, Caching)."""

from typing import Final

import msgspec

from toolgate.model.freshness import Hint
from toolgate.protocol.envelope import Fields

__all__ = ["hint_of", "of_both"]

_TTL: Final = "ttlMs"
_SCOPE: Final = "cacheScope"
_LONGEST: Final = 365 * 24 * 3600.0  # seconds: nothing is good for longer
_whole: Final = msgspec.json.Decoder(int)


def hint_of(result: Fields, read: float) -> Hint:
    """Of a result that was asked for at `read`, in seconds since the epoch. What cannot be understood is no hint."""
    try:
        seconds = _whole.decode(result[_TTL]) / 1000 if _TTL in result else 0.0
    except (msgspec.DecodeError, OverflowError):
        seconds = 0.0
    public = bytes(result.get(_SCOPE, b"")) == b'"public"'
    return Hint(read, min(max(seconds, 0.0), _LONGEST), public)


def of_both(one: Hint, other: Hint) -> Hint:
    """Of what is made of two results."""
    first = min(one, other, key=lambda hint: hint.read + hint.seconds)
    return first._replace(public=one.public and other.public)
