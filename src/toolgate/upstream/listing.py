"""Read what a server offers: all pages of the lists that it says it has."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from toolgate.errors import UpstreamError
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.protocol import envelope
from toolgate.protocol.results import error_code
from toolgate.upstream import failures
from toolgate.upstream.base import Link
from toolgate.upstream.era import error_words
from toolgate.upstream.mirrored import invalid_tool

__all__ = ["kinds_of", "read", "without_invalid_tools"]

_PAGES: Final = 1000
_ITEMS: Final = 100_000
_METHOD_NOT_FOUND: Final = -32601
_LISTS: Final = {
    "tools": (Kind.TOOLS,),
    "prompts": (Kind.PROMPTS,),
    "resources": (Kind.RESOURCES, Kind.TEMPLATES),
}

_log = logging.getLogger(__name__)


class _Page(msgspec.Struct, frozen=True):
    tools: list[Raw] | UnsetType = UNSET
    prompts: list[Raw] | UnsetType = UNSET
    resources: list[Raw] | UnsetType = UNSET
    templates: list[Raw] | UnsetType = msgspec.field(name="resourceTemplates", default=UNSET)
    cursor: str | None = msgspec.field(name="nextCursor", default=None)

    def of(self, kind: Kind) -> list[Raw]:
        listed = {
            Kind.TOOLS: self.tools,
            Kind.PROMPTS: self.prompts,
            Kind.RESOURCES: self.resources,
            Kind.TEMPLATES: self.templates,
        }[kind]
        return [] if listed is UNSET else listed


_page: Final = msgspec.json.Decoder(_Page)
_keys: Final = msgspec.json.Decoder(dict[str, Raw])
_text: Final = msgspec.json.Decoder(str)


def kinds_of(capabilities: Any) -> frozenset[Kind]:
    """The lists of a server with these capabilities."""
    return frozenset(kind for capability, kinds in _LISTS.items() if capability in capabilities for kind in kinds)


async def read(server: str, link: Link, kinds: Iterable[Kind], before: Catalogue | None, timeout: float) -> Catalogue:
    """The server's catalogue, with these lists read anew. A list that fails costs only itself: what it last held stays.

    `timeout` is in seconds a page. Raises `UpstreamError` when none of the lists could be read.
    """
    items = dict(before.items) if before is not None else {}
    failed: list[UpstreamError] = []
    wanted = sorted(kinds)
    for kind in wanted:
        try:
            items[kind] = tuple(await _list(server, link, kind, timeout))
        except UpstreamError as error:
            failed.append(error)
            _log.warning("server %r: %s: %s", server, kind.method, error)
    if failed and len(failed) == len(wanted):
        raise failed[0]
    head = link.catalogue_head
    served = kinds_of(head.capabilities)
    return Catalogue(
        items={kind: items[kind] for kind in Kind if kind in items and kind in served},
        capabilities=head.capabilities,
        server_info=head.server_info,
        instructions=head.instructions,
    )


def without_invalid_tools(server: str, catalogue: Catalogue) -> Catalogue:
    """Leaves out, with a warning, the tools that a client must not use over HTTP (2026-07-28, Streamable HTTP,
    Schema Extension)."""
    kept: list[Item] = []
    for tool in catalogue.of(Kind.TOOLS):
        if reason := invalid_tool(tool.raw):
            _log.warning("server %r: the tool %r is left out: %s", server, tool.name, reason)
        else:
            kept.append(tool)
    if len(kept) == len(catalogue.of(Kind.TOOLS)):
        return catalogue
    return replace(catalogue, items={**catalogue.items, Kind.TOOLS: tuple(kept)})


async def _list(server: str, link: Link, kind: Kind, timeout: float) -> list[Item]:
    items: list[Item] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await _one_page(server, link, kind, cursor, timeout)
        items.extend(item for raw in page.of(kind) if (item := _item(server, kind, bytes(raw))))
        cursor = page.cursor
        if not cursor or cursor in seen:
            return items
        if len(items) >= _ITEMS:
            break
        seen.add(cursor)
    _log.warning("server %r: %s does not end; what came after item %d is left out", server, kind.method, len(items))
    return items[:_ITEMS]


async def _one_page(server: str, link: Link, kind: Kind, cursor: str | None, timeout: float) -> _Page:
    params = envelope.dump({"cursor": cursor}) if cursor else None
    reply = await link.request(kind.method, params, timeout)
    if reply.is_error:
        if error_code(reply.payload) == _METHOD_NOT_FOUND:
            return _Page()  # common for templates: `resources` announces both lists, and many servers have one
        raise failures.broken(server, f"refused {kind.method}: {error_words(reply.payload)}")
    try:
        return _page.decode(reply.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise failures.broken(server, f"answered {kind.method} with something else than a list") from None


def _item(server: str, kind: Kind, raw: bytes) -> Item | None:
    try:
        return Item(_text.decode(_keys.decode(raw)[kind.key]), raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        _log.warning("server %r: an item of %s has no %s and is left out", server, kind.method, kind.key)
        return None
