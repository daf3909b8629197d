"""Lines out of chunks, bounded."""

from collections.abc import Callable
from typing import Final

__all__ = ["EDGE", "LineSplitter"]

EDGE: Final = 512  # bytes kept of each end of a line that is too long


class LineSplitter:
    """Gives whole lines to `line`, and the edges of a line longer than `limit` bytes to `oversized(head, tail, size)`.

    No byte is searched twice and none of a line is copied before the line is whole, so a line of any length costs what
    its bytes cost; of one that is over the limit only the edges are kept.
    """

    __slots__ = ("_head", "_limit", "_line", "_oversized", "_parts", "_size", "_tail")

    def __init__(
        self, limit: int, line: Callable[[bytes], None], oversized: Callable[[bytes, bytes, int], None]
    ) -> None:
        self._limit = limit
        self._line = line
        self._oversized = oversized
        self._parts: list[bytes] = []
        self._size = 0
        self._head = b""
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._finish(chunk[start:end])
            start = end + 1
        if start < len(chunk):
            self._keep(chunk[start:] if start else chunk)

    def _finish(self, end: bytes) -> None:
        if not self._size and len(end) <= self._limit:
            self._line(end)
            return
        self._keep(end)
        if self._size > self._limit:
            self._oversized(self._head, self._tail, self._size)
        else:
            self._line(b"".join(self._parts))
        self._parts, self._size, self._head, self._tail = [], 0, b"", b""

    def _keep(self, piece: bytes) -> None:
        self._parts.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            parts, self._parts = self._parts, []
            for part in parts:
                self._head += part[: EDGE - len(self._head)]
                self._tail = (self._tail + part[-EDGE:])[-EDGE:]
