"""Heads that were parsed before: a client sends the same head again and again, but for the length of the body."""

import re
from typing import Final, Generic, NamedTuple, TypeVar

__all__ = ["Heads", "Whole", "whole"]

Parsed = TypeVar("Parsed")

_MOST: Final = 1_024
_LONGEST: Final = 4_096  # bytes of a head that is kept
_DIGITS: Final = 10  # of a length, and what ends them
_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,9})\r\n")


class Whole(NamedTuple):
    """A message that came in one piece. `head` is its head without the digits of the length, which stood at `at`."""

    head: bytes
    body: bytes
    at: int


def whole(data: bytes) -> Whole | None:
    """None where it is not all of one message with a length, and nothing else."""
    end = data.find(b"\r\n\r\n", 0, _LONGEST)
    if end < 0:
        return None
    match = _LENGTH.search(data, 0, end + 2)
    if match is None or len(data) - end - 4 != int(match[1]):
        return None
    start, stop = match.span(1)
    return Whole(data[:start] + data[stop:end], data[end + 4 :], start)


class Last(Generic[Parsed]):
    """The head that came last over a connection: mostly the next one is the same."""

    __slots__ = ("_after", "_before", "_start", "parsed")

    def __init__(self, came: Whole, parsed: Parsed) -> None:
        self._before = came.head[: came.at]
        self._after = came.head[came.at :] + b"\r\n\r\n"
        self._start = came.at
        self.parsed = parsed

    def body(self, data: bytes) -> bytes | None:
        """What follows it in a message that is whole and has the same head; None for any other."""
        start = self._start
        if not data.startswith(self._before):
            return None
        stop = data.find(b"\r", start, start + _DIGITS)
        if stop < 0 or not data.startswith(self._after, stop):
            return None
        digits, body = data[start:stop], data[stop + len(self._after) :]
        return body if digits.isdigit() and len(body) == int(digits) else None


class Heads(Generic[Parsed]):
    """What the parser made of heads. Only what it took is put here, so that the same bytes need not be parsed again:
    one with two lengths, or with a length and another framing, is never in it (RFC 9112, 6.3)."""

    __slots__ = ("_known", "get")

    def __init__(self) -> None:
        self._known: dict[bytes, Parsed] = {}
        self.get = self._known.get

    def put(self, head: bytes, parsed: Parsed) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[head] = parsed
