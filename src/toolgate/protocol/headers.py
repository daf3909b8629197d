"""The headers that mirror a request's body (2026-07-28, Streamable HTTP, Request Metadata)."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = [
    "LAST_EVENT_ID",
    "METHOD",
    "NAME",
    "PARAM_PREFIX",
    "PROTOCOL_VERSION",
    "SESSION_ID",
    "Path",
    "annotated",
    "decode_value",
    "encode_value",
    "invalid_annotation",
    "param_headers",
]

PROTOCOL_VERSION: Final = "MCP-Protocol-Version"
METHOD: Final = "Mcp-Method"
NAME: Final = "Mcp-Name"
PARAM_PREFIX: Final = "Mcp-Param-"
SESSION_ID: Final = "Mcp-Session-Id"
LAST_EVENT_ID: Final = "Last-Event-ID"

Path = tuple[str, ...]
"""The chain of `properties` keys that leads to an annotated property."""

_ANNOTATION: Final = "x-mcp-header"
_SENTINEL: Final = re.compile(r"=\?base64\?(.*)\?=")
_SAFE: Final = re.compile(r"[\x20-\x7e]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES: Final = frozenset({"string", "integer", "boolean"})

# Where a JSON Schema 2020-12 holds further schemas. `default`, `examples`, `const` and `enum` hold data, in which the
# annotation means nothing, and `$ref` is never followed.
_ONE: Final = frozenset({
    "items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "unevaluatedProperties", "not",
    "if", "then", "else", "contentSchema",
})  # fmt: skip
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP: Final = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})


def encode_value(value: str) -> str:
    """The value itself where it is plain ASCII, else `=?base64?…?=` (Value Encoding)."""
    if _SAFE.fullmatch(value) and value == value.strip() and not _SENTINEL.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decode_value(value: str | None) -> str | None:
    """The way back. None for what no `encode_value` writes: bad or non-canonical base64, bad UTF-8."""
    if value is None or not (match := _SENTINEL.fullmatch(value)):
        return value
    try:
        decoded = base64.b64decode(match[1], validate=True)
        return decoded.decode() if base64.b64encode(decoded).decode() == match[1] else None
    except (binascii.Error, ValueError):
        return None


def invalid_annotation(schema: Any) -> str | None:
    """Why an `x-mcp-header` in this inputSchema makes its tool invalid, or None (Schema Extension)."""
    seen: dict[str, str] = {}
    for path, position in _positions(schema):
        if _ANNOTATION not in position:
            continue
        if not path:
            return f"{_ANNOTATION} at a place that `properties` alone do not lead to"
        where, token, kind = ".".join(path), position[_ANNOTATION], position.get("type")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return f"{_ANNOTATION} of {where!r} is not a header token"
        if not isinstance(kind, str) or kind not in _TYPES:
            return f"{_ANNOTATION} of {where!r} stands on a property that is no string, integer or boolean"
        if other := seen.get(token.lower()):
            return f"{_ANNOTATION} {token!r} of {where!r} is that of {other!r} too"
        seen[token.lower()] = where
    return None


def annotated(schema: Any) -> dict[Path, str]:
    """Property path → header token, for a schema in which `invalid_annotation` finds nothing wrong."""
    return {
        path: position[_ANNOTATION]
        for path, position in _positions(schema)
        if path and isinstance(position.get(_ANNOTATION), str)
    }


def param_headers(tokens: Mapping[Path, str], arguments: Any) -> dict[str, str]:
    """The `Mcp-Param-*` headers of a call. An argument that is absent, null or no scalar gives none."""
    headers: dict[str, str] = {}
    for path, token in tokens.items():
        if (text := _text(_value_at(arguments, path))) is not None:
            headers[PARAM_PREFIX + token] = encode_value(text)
    return headers


def _positions(root: Any) -> Iterator[tuple[Path | None, dict[str, Any]]]:
    """Every schema within a schema, with the path that leads to it; None where other keywords than `properties` do."""
    stack: list[tuple[Path | None, Any]] = [((), root)]
    while stack:
        path, node = stack.pop()
        if not isinstance(node, dict):
            continue
        yield path, node
        for keyword, value in node.items():
            if keyword == "properties" and isinstance(value, dict):
                stack.extend(((*path, key) if path is not None else None, sub) for key, sub in value.items())
            elif keyword in _ONE:
                stack.append((None, value))
            elif keyword in _LIST and isinstance(value, list):
                stack.extend((None, sub) for sub in value)
            elif keyword in _MAP and isinstance(value, dict):
                stack.extend((None, sub) for sub in value.values())


def _value_at(arguments: Any, path: Path) -> Any:
    node = arguments
    for key in path:
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    try:
        return str(value)
    except ValueError:  # an integer of more digits than CPython converts
        return None
