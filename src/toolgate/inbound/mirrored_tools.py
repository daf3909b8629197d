"""Which arguments of which tools a client over HTTP has to mirror in headers, learnt from the lists that pass by
(2026-07-28, Streamable HTTP, Client Behavior)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.protocol.envelope import Fields
from toolgate.protocol.headers import Path, annotated, invalid_annotation, param_headers

__all__ = ["MirroredTools", "Page"]

_MARK: Final = b'"x-mcp-header"'
_MOST: Final = 10_000


class Page(msgspec.Struct):
    """One page of a list of tools, as far as it matters here."""

    tools: list[Raw] = []
    nextCursor: str | None = None  # noqa: N815  # the wire's own word


class _Tool(msgspec.Struct):
    name: str
    inputSchema: Any = None  # noqa: N815  # the wire's own word


class MirroredTools:
    def __init__(self) -> None:
        self._tokens: dict[str, Mapping[Path, str]] = {}

    def learn(self, page: Page) -> None:
        for raw in page.tools:
            tool = msgspec.json.decode(raw, type=_Tool) if _MARK in bytes(raw) else None
            if tool is not None and len(self._tokens) < _MOST and not invalid_annotation(tool.inputSchema):
                self._tokens[tool.name] = annotated(tool.inputSchema)

    def headers(self, params: Fields) -> dict[str, str]:
        """The `Mcp-Param-*` of a `tools/call`."""
        name = msgspec.json.decode(params["name"], type=str) if "name" in params else ""
        tokens = self._tokens.get(name)
        if not tokens or "arguments" not in params:
            return {}
        return param_headers(tokens, msgspec.json.decode(params["arguments"]))
