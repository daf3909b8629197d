"""`Mcp-Param-*`: arguments that a tool wants to see in headers too must say there what the body says
(2026-07-28, Streamable HTTP, Server Behavior for Custom Headers)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from toolgate.errors import HeaderMismatch
from toolgate.http.headers import Headers
from toolgate.protocol.headers import PARAM_PREFIX, Path, annotated, decode_value, invalid_annotation, param_headers

__all__ = ["check_param_headers"]

_MARK: Final = b"x-mcp-header"
_DECIMAL: Final = re.compile(r"-?[0-9]{1,300}(?:\.0+)?")


class _Tool(msgspec.Struct):
    inputSchema: Any = None  # noqa: N815  # the wire's own word


@lru_cache(maxsize=4096)
def _tokens(tool: bytes) -> Mapping[Path, str]:
    schema = msgspec.json.decode(tool, type=_Tool).inputSchema
    return {} if invalid_annotation(schema) else annotated(schema)


def check_param_headers(tool: bytes, arguments: Raw | UnsetType | None, headers: Headers) -> None:
    """`tool` is the JSON that the server listed. Raises `HeaderMismatch`."""
    if _MARK not in tool or not (tokens := _tokens(tool)):
        return
    values: Any = {} if arguments is None or arguments is UNSET else msgspec.json.decode(arguments)
    for path, token in tokens.items():
        name = PARAM_PREFIX + token
        expected = param_headers({path: token}, values).get(name)
        given = [value.decode("latin-1").strip(" \t") for value in headers.all(name.lower().encode())]
        if expected is None and not given:
            continue
        if expected is None or len(given) != 1 or not _same(given[0], expected):
            raise HeaderMismatch(f"the header {name} does not say what the argument {'.'.join(path)} says")


def _same(given: str, expected: str) -> bool:
    said, meant = decode_value(given), decode_value(expected)
    if said is None or meant is None or said == meant:
        return said is not None and said == meant
    # Integers compare as numbers: 42 is 42.0.
    return bool(_DECIMAL.fullmatch(said) and _DECIMAL.fullmatch(meant)) and _whole(said) == _whole(meant)


def _whole(text: str) -> int:
    return int(text.partition(".")[0])
