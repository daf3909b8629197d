"""The headers that mirror a call, out of the tool's own schema (2026-07-28, Streamable HTTP, Request Metadata)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from toolgate.pipeline.call import Call
from toolgate.protocol import headers
from toolgate.protocol.eras import NAME_KEYS
from toolgate.upstream.endpoint import header_lines

__all__ = ["invalid_tool", "is_annotated", "mirror"]

_SCHEMAS: Final = 4096  # tools whose annotations are kept at a time
_MARK: Final = b'"x-mcp-header"'


class _Tool(msgspec.Struct):
    input_schema: Any = msgspec.field(name="inputSchema", default=None)


_tool: Final = msgspec.json.Decoder(_Tool)


def mirror(call: Call) -> bytes:
    """`Mcp-Method`, `Mcp-Name` with the server's own name, and an `Mcp-Param-*` for each annotated argument."""
    lines = _named(call.method, call.route.name)
    if call.method == "tools/call" and (tokens := _annotated(call.route.raw)):
        arguments = call.params.get("arguments")
        if arguments is not None:
            lines += header_lines(headers.param_headers(tokens, msgspec.json.decode(arguments)))
    return lines


@lru_cache(maxsize=_SCHEMAS)
def _named(method: str, name: str) -> bytes:
    mirrored = {headers.METHOD: method}
    if method in NAME_KEYS:
        mirrored[headers.NAME] = headers.encode_value(name)
    return header_lines(mirrored)


def is_annotated(raw: bytes) -> bool:
    """Whether arguments of a tool have to be mirrored."""
    return bool(_annotated(raw))


def invalid_tool(raw: bytes) -> str | None:
    """Why a tool must not be offered when its server is reached over HTTP."""
    return headers.invalid_annotation(_schema(raw)) if _MARK in raw else None


@lru_cache(maxsize=_SCHEMAS)
def _annotated(raw: bytes) -> Mapping[headers.Path, str]:
    return headers.annotated(_schema(raw)) if _MARK in raw else {}


def _schema(raw: bytes) -> Any:
    return _tool.decode(raw).input_schema
