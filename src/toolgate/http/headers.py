"""Header fields as they came."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Self

__all__ = ["NO_HEADERS", "Headers", "media_type"]


class Headers(dict[bytes, bytes]):
    """Names in lower case; of several of one name the last, and all of them in `pairs`. Made by `Headers.of`."""

    __slots__ = ("admitted", "pairs", "plan", "repeats", "seen")

    pairs: Sequence[tuple[bytes, bytes]]
    repeats: bool
    """Whether a name came more than once."""
    seen: object
    """What a reader worked out of them. The same head is the same object when it comes again."""
    admitted: object
    """The same, of who let it in."""
    plan: object
    """The same, of what becomes of it."""

    @classmethod
    def of(cls, pairs: Sequence[tuple[bytes, bytes]]) -> Self:
        headers = cls(pairs)
        headers.pairs = pairs
        headers.repeats = len(headers) != len(pairs)
        headers.seen = headers.admitted = headers.plan = None
        return headers

    def all(self, name: bytes) -> Sequence[bytes]:
        if not self.repeats:
            return (self[name],) if name in self else ()
        return [value for known, value in self.pairs if known == name]

    def text(self, name: bytes) -> str:
        """The last of that name; empty where there is none."""
        return self.get(name, b"").decode("latin-1")


NO_HEADERS: Final = Headers.of(())


@lru_cache(maxsize=256)
def media_type(content_type: bytes | None) -> str:
    """Without its parameters, in lower case; what nobody named is bytes of any kind (RFC 9110, 8.3)."""
    if not content_type:
        return "application/octet-stream"
    return content_type.partition(b";")[0].strip().lower().decode("latin-1")
