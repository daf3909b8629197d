"""What a server writes to standard error: read always, kept a little, logged at debug."""

import logging
import time
from typing import Final

from toolgate.runtime.base import Redact

__all__ = ["StderrTail"]

_BYTES: Final = 64 * 1024
_LINES: Final = 100
_LENGTH: Final = 500  # characters of a line that are shown
_LOGGED: Final = 50  # lines a second; a flood must not become a flood in our own log

_log = logging.getLogger(__name__)


class StderrTail:
    """The last 64 KiB. Raw inside; whatever leaves it is redacted, whole line by whole line, and then cut."""

    def __init__(self, name: str, redact: Redact) -> None:
        self._name = name
        self._redact = redact
        self._raw = b""
        self._cut = False
        self._second = 0
        self._logged = 0

    def feed(self, chunk: bytes) -> None:
        raw = self._raw + chunk
        self._cut = self._cut or len(raw) > _BYTES
        self._raw = raw[-_BYTES:]
        if _log.isEnabledFor(logging.DEBUG):
            self._write_log(chunk)

    def lines(self) -> list[str]:
        """At most the last 100 lines that hold anything."""
        pieces = self._raw.splitlines()
        if self._cut:
            # Its beginning is gone, and half a secret cannot be recognised.
            del pieces[:1]
        return [shown for piece in pieces[-_LINES:] if (shown := self._shown(piece))]

    def last(self) -> str:
        lines = self.lines()
        return lines[-1] if lines else ""

    def _shown(self, piece: bytes) -> str:
        text = self._redact(piece.decode("utf-8", "replace")).strip()
        return "".join(letter if letter.isprintable() else " " for letter in text[:_LENGTH])

    def _write_log(self, chunk: bytes) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._logged = second, 0
        for piece in chunk[:_BYTES].splitlines():
            if self._logged >= _LOGGED:
                return
            if shown := self._shown(piece):
                self._logged += 1
                _log.debug("%s: %s", self._name, shown)
