"""Server-sent events, as bytes.

Only CR, LF and CRLF end a line. Python's `str.splitlines` also splits at U+2028 and others, which JSON may hold
unescaped, so nothing here is decoded to text before its lines are known.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["Decoder", "Event", "EventTooLarge", "Oversized", "encode"]

_BREAK: Final = re.compile(rb"\r\n|\r|\n")
_BOM: Final = b"\xef\xbb\xbf"
_ENDS: Final = 512  # bytes that are kept of each end of what is too large

Oversized = Callable[[bytes, bytes, int], None]
"""Gets the first and the last bytes of the data of an event that was too large, and the event's size."""


class EventTooLarge(ValueError):
    """One event, or one line of it, is larger than the decoder's limit."""


class Event(NamedTuple):
    """One event. `id` is the stream's last event id at that point, not only one that this event brought."""

    event: str
    data: bytes
    id: str = ""


def encode(data: bytes, event: str = "message", id: str | None = None) -> bytes:  # noqa: A002  # the field's name
    """One event with its closing blank line. Line breaks in `data` arrive as LF."""
    if id is None and event == "message" and b"\n" not in data and b"\r" not in data:
        return b"event: message\ndata: %b\n\n" % data
    head = b"event: " + event.encode() + b"\n"
    if id is not None:
        head += b"id: " + id.encode() + b"\n"
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_BREAK.split(data))
    return head + b"data: " + data + b"\n\n"


@dataclass(slots=True)
class _Skipped:
    """An event that is passed over. `in_line`: what came last was not the end of a line."""

    head: bytes
    tail: bytes
    size: int
    in_line: bool = True


class Decoder:
    """Events out of chunks that are cut anywhere. Holds at most `limit` bytes; no byte is looked at twice.

    `last_id` and `retry` (milliseconds) are what a reconnection needs. With `oversized` an event that is too large is
    told to it and passed over; without, it is an error.
    """

    def __init__(self, limit: int, oversized: Oversized | None = None) -> None:
        self.last_id = ""
        self.retry: int | None = None
        self._limit = limit
        self._partial = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._event = ""
        self._after_cr = False
        self._at_start = True
        self._oversized = oversized
        self._skipped: _Skipped | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Raises `EventTooLarge`."""
        if not chunk:
            return []
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        events: list[Event] = []
        for piece in chunk.splitlines(keepends=True):
            line = piece.rstrip(b"\r\n")
            if self._skipped is not None:
                self._skip(self._skipped, line, ends=len(line) < len(piece))
            elif not self._has_room(len(line)):
                self._skipped = self._skipping(line, ends=len(line) < len(piece))
            elif len(line) == len(piece):
                self._partial += piece
            elif event := self._line(self._whole(line)):
                events.append(event)
        self._after_cr = chunk.endswith(b"\r")
        return events

    def _has_room(self, count: int) -> bool:
        self._size += count
        if self._size > self._limit and self._oversized is None:
            raise EventTooLarge(f"an event is larger than {self._limit} bytes")
        return self._size <= self._limit

    def _skipping(self, line: bytes, *, ends: bool) -> _Skipped:
        begun = bytes(self._partial) + line
        head = self._data[0] if self._data else begun.removeprefix(b"data:").removeprefix(b" ")
        self._partial.clear()
        self._data = []
        return _Skipped(head[:_ENDS], begun[-_ENDS:], self._size, in_line=not ends)

    def _skip(self, skipped: _Skipped, line: bytes, *, ends: bool) -> None:
        if line:
            skipped.tail = (skipped.tail + line)[-_ENDS:]
            skipped.size += len(line)
        if ends and not line and not skipped.in_line:
            self._event, self._size, self._skipped = "", 0, None
            if self._oversized is not None:
                self._oversized(skipped.head, skipped.tail, skipped.size)
        skipped.in_line = not ends

    def _whole(self, end: bytes) -> bytes:
        if self._partial:
            end = bytes(self._partial + end)
            self._partial.clear()
        if self._at_start:
            self._at_start = False
            return end.removeprefix(_BOM)
        return end

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            return None
        self._size -= len(line)
        if name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self.last_id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self.retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        if not data:
            return None
        return Event(event or "message", data[0] if len(data) == 1 else b"\n".join(data), self.last_id)
