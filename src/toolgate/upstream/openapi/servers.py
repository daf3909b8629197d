"""Where the operations of an API are: what its paths begin with.

Only the definition names addresses: a description may be anybody's, and credentials must not follow where it points.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from yarl import URL

from toolgate.errors import StartFailed
from toolgate.upstream.openapi.schemas import Unusable

__all__ = ["Bases"]

_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")


class Bases:
    """`described_at` is the description's URL, None where it is a file; `given` is the definition's own `url`."""

    def __init__(self, written: Any, described_at: URL | None, given: URL | None) -> None:
        """Raises `StartFailed` where there is none that may be used."""
        self._given = given
        if given is not None:
            self.root = given
            return
        named = _first(written)
        if described_at is None:
            said = f" (it says {named[:200]})" if named else ""
            raise StartFailed(
                f"its description is a file, so it takes a `url` to say where the API is{said}",
                hint="set `url` beside `openapi`",
            )
        root = _joined(described_at, named or "/")
        if root is None or root.origin() != described_at.origin():
            raise StartFailed(
                f"its description leads to another origin than its own: {_shown(root, named)}",
                hint="set `url` to that if it is right; credentials then go there",
            )
        self.root = root

    def of(self, written: Any) -> URL:
        """Of an operation that has servers of its own. Raises `Unusable`."""
        named = _first(written)
        if not named:
            return self.root
        url = _joined(self.root, named)
        if url is None or url.origin() != self.root.origin():
            raise Unusable(f"is served at another origin than the API ({_shown(url, named)})")
        return url


def _first(written: Any) -> str:
    """The first server, with the defaults of its variables in (3.1.1, 4.8.5)."""
    first = written[0] if isinstance(written, list) and written else None
    if not isinstance(first, Mapping) or not isinstance(url := first.get("url"), str):
        return ""
    variables = first.get("variables")

    def default(match: re.Match[str]) -> str:
        variable = variables.get(match[1]) if isinstance(variables, Mapping) else None
        return str(variable.get("default", "")) if isinstance(variable, Mapping) else ""

    return _VARIABLE.sub(default, url)


def _joined(base: URL, reference: str) -> URL | None:
    try:
        url = base.join(URL(reference))
        url.origin()
    except ValueError:
        return None
    return url.with_user(None).with_query(None).with_fragment(None) if url.scheme in {"http", "https"} else None


def _shown(root: URL | None, named: str) -> str:
    return str(root.origin()) if root is not None else repr(named[:100])
