"""What a server writes to standard error: read always, kept a little, told line by line."""

import logging
import time
from collections.abc import Callable
from typing import Final

from toolgate.runtime.base import Redact

__all__ = ["StderrTail"]

_BYTES: Final = 64 * 1024
_LINES: Final = 100
_LENGTH: Final = 500  # characters of a line that are shown in an error
_TOLD: Final = 4000  # characters of a line that go into a log
_A_SECOND: Final = 200  # lines, and no more bytes than are kept: a flood must not become a flood of ours

_log = logging.getLogger(__name__)


class StderrTail:
    """The last 64 KiB. Raw inside; whatever leaves it is redacted, whole line by whole line, and then cut.

    `heard` gets each line as it comes, at most 200 a second; how many more there were is told with the next one.
    """

    def __init__(self, name: str, redact: Redact, heard: Callable[[str], None] | None = None) -> None:
        self._name = name
        self._redact = redact
        self._heard = heard
        self._raw = b""
        self._cut = False
        self._open = b""
        """The line that has not ended yet."""
        self._skips = False
        """Until the end of a line that was too long."""
        self._second = 0
        self._lines = 0
        self._bytes = 0
        self._dropped = 0

    def feed(self, chunk: bytes) -> None:
        raw = self._raw + chunk
        self._cut = self._cut or len(raw) > _BYTES
        self._raw = raw[-_BYTES:]
        self._new_second()
        at = 0
        while (end := chunk.find(b"\n", at)) >= 0:
            if not self._takes:
                # Nobody looks at the lines of a flood one by one.
                self._dropped += chunk.count(b"\n", at)
                self._open, self._skips, at = b"", False, chunk.rindex(b"\n") + 1
                break
            self._ended(chunk[at:end])
            at = end + 1
        if not self._skips:
            self._open += chunk[at:]
            if len(self._open) > _BYTES:
                # Half a secret cannot be recognised, so nothing of it is told.
                self._open, self._skips = b"", True

    def end(self) -> None:
        """Nothing more comes: what was begun is a line too."""
        if self._open:
            self._ended(b"")
        self._tell_dropped()

    def lines(self) -> list[str]:
        """At most the last 100 lines that hold anything."""
        pieces = self._raw.splitlines()
        if self._cut:
            # Its beginning is gone, and half a secret cannot be recognised.
            del pieces[:1]
        return [shown for piece in pieces[-_LINES:] if (shown := self._shown(piece, _LENGTH))]

    def last(self) -> str:
        lines = self.lines()
        return lines[-1] if lines else ""

    @property
    def _takes(self) -> bool:
        return self._lines < _A_SECOND and self._bytes <= _BYTES

    def _new_second(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines, self._bytes = second, 0, 0
            self._tell_dropped()

    def _ended(self, piece: bytes) -> None:
        line, self._open = self._open + piece, b""
        if self._skips:
            self._skips = False
            line = b"(a line of more than 64 KiB was left out)"
        if shown := self._shown(line, _TOLD):
            self._lines += 1
            self._bytes += len(line)
            self._tell(shown)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._tell(f"({self._dropped} lines more than are kept were left out)")
            self._dropped = 0

    def _tell(self, text: str) -> None:
        if self._heard is not None:
            self._heard(text)
        _log.debug("%s: %s", self._name, text[:_LENGTH])

    def _shown(self, piece: bytes, length: int) -> str:
        text = self._redact(piece.decode("utf-8", "replace")).strip()
        return "".join(letter if letter.isprintable() else " " for letter in text[:length])
