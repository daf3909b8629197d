"""What the head of a request asks for."""

from typing import Final, NamedTuple
from urllib.parse import unquote

import httptools

from toolgate.http.headers import Headers
from toolgate.http.request import Answer

__all__ = ["RefusedError", "Target", "can_come_again", "has_body", "target_of"]

_ONCE: Final = (b"expect", b"transfer-encoding", b"upgrade", b"traceparent", b"x-request-id", b"last-event-id")
_PATHS: Final = 4_096
_LONG: Final = 256  # bytes from which on what was asked for is not remembered


class Target(NamedTuple):
    """What a head asks for, of a request that can be followed by another."""

    method: str
    path: str
    query: str
    headers: Headers


class RefusedError(Exception):
    """Ends the parsing of a connection."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


_paths: dict[bytes, tuple[str, str]] = {}


def target_of(url: bytes) -> tuple[str, str]:
    """The path, decoded, and the query. Raises `RefusedError`."""
    if (known := _paths.get(url)) is not None:
        return known
    try:
        parsed = httptools.parse_url(url)
        path = (parsed.path or b"/").decode("ascii")
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        raise RefusedError(Answer(400, b"the target of the request is not a URL")) from None
    target = unquote(path) if "%" in path else path, (parsed.query or b"").decode("latin-1")
    if len(url) <= _LONG:
        if len(_paths) >= _PATHS:
            _paths.clear()
        _paths[url] = target
    return target


def can_come_again(headers: Headers) -> bool:
    """Whether nothing in it asks for more than its answer, and nothing says which request it is."""
    return headers.keys().isdisjoint(_ONCE)


def has_body(headers: Headers) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length") not in {None, b"0"}
