"""A stretch of time, as people name it."""

import re
from datetime import datetime
from typing import Final

from toolgate.errors import InvalidParams

__all__ = ["seconds_of", "since"]

_SPAN: Final = re.compile(r"(\d{1,6})([mhdwy])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def seconds_of(span: str) -> int:
    """`30m`, `12h`, `7d`, `2w`, `1y`. Raises `InvalidParams`."""
    match = _SPAN.fullmatch(span)
    if match is None or not int(match[1]):
        raise InvalidParams(f"{span!r} is no period", hint="write `today`, or a number and m, h, d, w or y, e.g. 7d")
    return int(match[1]) * _SECONDS[match[2]]


def since(period: str, now: float) -> float:
    """When a period that ends now began, in seconds since the epoch; `today` begins at midnight, in local time."""
    if period == "today":
        return datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return max(0.0, now - seconds_of(period))
