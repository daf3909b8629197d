"""Which handler answers a request under `/api/v1`: a table, matched by method and path."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from toolgate.errors import InvalidRequest, NotFound
from toolgate.http.request import Head
from toolgate.model.principal import Principal

__all__ = ["ACCOUNTS", "ROOT", "Answered", "Handler", "MethodNotAllowedError", "Params", "Route", "Router", "Streamed"]

ROOT: Final = "/api/v1/"
ACCOUNTS: Final = "/functions/v1/mcp-connections/"
"""The root of the routes in `control.accounts`."""
_MOST: Final = 64  # fields of a query


class Params(dict[str, str]):
    """What stands in the path under the names of its pattern, and what the query says besides. `query` is the latter as
    it was sent; `headers` have lower-case names."""

    def __init__(self, path: Mapping[str, str], query: bytes, headers: Mapping[str, str]) -> None:
        text = query.decode("utf-8", "replace")
        try:
            fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST)
        except ValueError:
            raise InvalidRequest(f"the query has more than {_MOST} fields") from None
        super().__init__({**dict(fields), **path})
        self.query = query
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with a status or heads of its own. `body` is JSON unless it is bytes, which need a `content`."""

    status: int
    body: Any
    head: Head = ()
    content: bytes = b"application/json"


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that comes in pieces, for as long as its client stays."""

    chunks: AsyncGenerator[bytes, None] = field(repr=False)
    content: bytes = b"text/event-stream"


Handler = Callable[[Principal, Params, bytes], Awaitable[Any]]
"""Gets who asks, what path and query say, and the body. Answers an object for 200 and JSON, text for CSV, or one of
`Answered` and `Streamed`. Raises `ToolgateError`."""

Route = tuple[str, str, Handler]
"""Method, pattern below `/api/v1/` with names in braces (`servers/{name}/start`), and who answers."""


class MethodNotAllowedError(InvalidRequest):
    code = "method-not-allowed"
    http = 405


class Router:
    """`root` is what all its paths begin with."""

    def __init__(self, routes: Iterable[Route] = (), root: str = ROOT) -> None:
        self.root = root
        self._routes: list[tuple[str, tuple[str, ...], Handler]] = []
        self.add(routes)

    def add(self, routes: Iterable[Route]) -> None:
        self._routes += [(method, tuple(pattern.split("/")), handler) for method, pattern, handler in routes]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Method and path of each route."""
        return ((method, self.root + "/".join(pattern)) for method, pattern, _ in self._routes)

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """Who answers, and what the path says. A pattern without a name counts before one with. Raises `NotFound` and
        `MethodNotAllowedError`."""
        pieces = path.removeprefix(self.root).split("/")
        fitting = [
            (found, handler, allowed)
            for allowed, pattern, handler in self._routes
            if path.startswith(self.root) and (found := _match(pattern, pieces)) is not None
        ]
        if not fitting:
            raise NotFound(f"there is nothing at {path}", hint="see GET /api/v1/servers")
        for found, handler, allowed in sorted(fitting, key=lambda fit: len(fit[0])):
            if allowed == method:
                return handler, found
        allowed = " and ".join(sorted({allowed for *_, allowed in fitting}))
        raise MethodNotAllowedError(f"{path} answers {allowed} only")


def _match(pattern: tuple[str, ...], pieces: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(pieces):
        return None
    found = {}
    for wanted, piece in zip(pattern, pieces, strict=True):
        if wanted.startswith("{"):
            if not piece:
                return None
            found[wanted[1:-1]] = piece
        elif wanted != piece:
            return None
    return found
