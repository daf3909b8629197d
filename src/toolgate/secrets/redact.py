"""Taking known secrets out of text that is about to be shown: what servers write to stderr, and what errors quote."""

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from toolgate.model.secretref import MASK, Secret

__all__ = ["MIN_LENGTH", "Redactor"]

MIN_LENGTH: Final = 6
"""Shorter values are left alone: `true`, `8080` and `en` stand in too much that is no secret."""


class Redactor:
    """Replaces every known value by `***`, also as JSON or a URL would spell it, and each line of one with several."""

    __slots__ = ("_bytes", "_text")

    def __init__(self, values: Iterable[Secret | str]) -> None:
        spellings = {spelling for value in values for spelling in _spellings(_reveal(value))}
        # The longest first, so that no tail of a longer one is left standing.
        ordered = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        self._text = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        encoded = (re.escape(spelling.encode("utf-8", "surrogatepass")) for spelling in ordered)
        self._bytes = re.compile(b"|".join(encoded)) if ordered else None

    def text(self, text: str) -> str:
        return self._text.sub(MASK, text) if self._text else text

    def bytes(self, data: bytes) -> bytes:
        return self._bytes.sub(MASK.encode(), data) if self._bytes else data

    def __repr__(self) -> str:
        return "Redactor()"


def _reveal(value: Secret | str) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _spellings(value: str) -> Iterable[str]:
    for part in {value, *value.splitlines()}:
        if len(part.strip()) >= MIN_LENGTH:
            yield from (part, part.strip(), json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])
            yield quote(part, safe="", errors="surrogatepass")
