"""Names of tools and of their arguments, out of the names that an API has."""

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final

from toolgate.model.names import MAX_EXPOSED

__all__ = ["is_picked", "legal", "unique"]

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_-]+")


def legal(text: str, fallback: str) -> str:
    """Letters, digits, `_` and `-`, as model providers want them, of at most 64; what is cut ends in a digest."""
    name = _FOREIGN.sub("_", text).strip("_") or fallback
    return name if len(name) <= MAX_EXPOSED else f"{name[: MAX_EXPOSED - 9].rstrip('_')}_{_digest(text)}"


def unique(name: str, origin: str, taken: Collection[str]) -> str:
    """The name itself, or where it is `taken` one with a digest of `origin`, which says what it is the name of."""
    if name not in taken:
        return name
    return f"{name[: MAX_EXPOSED - 9].rstrip('_')}_{_digest(origin)}"


def is_picked(names: Collection[str], include: Collection[str], exclude: Collection[str]) -> bool:
    """Whether any of the `names` of one operation fits, where anything has to, and none that must not."""

    def fits(globs: Collection[str]) -> bool:
        return any(fnmatchcase(name, glob) for name in names for glob in globs)

    return (not include or fits(include)) and not fits(exclude)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
