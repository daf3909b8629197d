"""Read what a server offers: all pages of the lists that it says it has."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.errors import UpstreamError
from toolgate.model.freshness import INTRODUCTION, NONE, Freshness, Hint
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.protocol import envelope
from toolgate.protocol.envelope import Fields
from toolgate.protocol.results import error_code, foreign
from toolgate.upstream import failures
from toolgate.upstream.base import Link
from toolgate.upstream.era import error_words
from toolgate.upstream.hints import hint_of, of_both
from toolgate.upstream.mirrored import invalid_tool

__all__ = ["kinds_of", "read", "without_invalid_tools"]

_PAGES: Final = 1000
_ITEMS: Final = 100_000
_METHOD_NOT_FOUND: Final = -32601
_NEXT: Final = "nextCursor"
_LISTS: Final = {
    "tools": (Kind.TOOLS,),
    "prompts": (Kind.PROMPTS,),
    "resources": (Kind.RESOURCES, Kind.TEMPLATES),
}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Listed:
    """What was read of a list by now: its items, and what was said of it as a whole. Of two pages the first one's word
    counts, and what may be kept for the shorter time."""

    items: list[Item] = field(default_factory=list)
    more: Fields = field(default_factory=dict)
    hint: Hint = NONE


_page: Final = msgspec.json.Decoder(dict[str, Raw])
_raws: Final = msgspec.json.Decoder(list[Raw])
_cursor: Final = msgspec.json.Decoder(str | None)
_keys: Final = msgspec.json.Decoder(dict[str, Raw])
_text: Final = msgspec.json.Decoder(str)


def kinds_of(capabilities: Any) -> frozenset[Kind]:
    """The lists of a server with these capabilities."""
    return frozenset(kind for capability, kinds in _LISTS.items() if capability in capabilities for kind in kinds)


async def read(server: str, link: Link, kinds: Iterable[Kind], before: Catalogue | None, timeout: float) -> Catalogue:
    """The server's catalogue, with these lists read anew. A list that fails costs only itself: what it last held stays.

    `timeout` is in seconds a page. Raises `UpstreamError` when none of the lists could be read.
    """
    head = link.catalogue_head
    served = kinds_of(head.capabilities)
    items = dict(before.items) if before is not None else {}
    more = {**(before.more if before is not None else {}), INTRODUCTION: head.more.get(INTRODUCTION, b"")}
    hints = {kind.method: NONE for kind in Kind if kind not in served}
    hints = {**(before.freshness.hints if before is not None else {}), **hints, **head.freshness.hints}
    failed: list[UpstreamError] = []
    wanted = sorted(kinds)
    for kind in wanted:
        try:
            listed = await _list(server, link, kind, timeout)
        except UpstreamError as error:
            failed.append(error)
            _log.warning("server %r: %s: %s", server, kind.method, error)
        else:
            items[kind], hints[kind.method] = tuple(listed.items), listed.hint
            more[kind.method] = envelope.dump(listed.more) if listed.more else b""
    if failed and len(failed) == len(wanted):
        raise failed[0]
    return Catalogue(
        items={kind: items[kind] for kind in Kind if kind in items and kind in served},
        capabilities=head.capabilities,
        server_info=head.server_info,
        instructions=head.instructions,
        more={method: members for method, members in more.items() if members},
        freshness=Freshness(hints),
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


async def _list(server: str, link: Link, kind: Kind, timeout: float) -> _Listed:
    listed = _Listed()
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(_PAGES):
        cursor = await _one_page(server, link, kind, cursor, timeout, listed)
        if not cursor or cursor in seen:
            return listed
        if len(listed.items) >= _ITEMS:
            break
        seen.add(cursor)
    count = len(listed.items)
    _log.warning("server %r: %s does not end; what came after item %d is left out", server, kind.method, count)
    del listed.items[_ITEMS:]
    return listed


async def _one_page(
    server: str, link: Link, kind: Kind, cursor: str | None, timeout: float, listed: _Listed
) -> str | None:
    """Adds a page to the list; the answer is the cursor of the next one."""
    params = envelope.dump({"cursor": cursor}) if cursor else None
    asked = time.time()
    reply = await link.request(kind.method, params, timeout)
    if reply.is_error:
        if error_code(reply.payload) == _METHOD_NOT_FOUND:
            listed.hint = Hint(asked, 0, public=False)
            return None  # common for templates: `resources` announces both lists, and many servers have one
        raise failures.broken(server, f"refused {kind.method}: {error_words(reply.payload)}")
    try:
        page = _page.decode(reply.payload)
        raws = _raws.decode(page.get(kind.value, b"[]"))
        following: str | None = _cursor.decode(page.get(_NEXT, b"null"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise failures.broken(server, f"answered {kind.method} with something else than a list") from None
    listed.items.extend(item for raw in raws if (item := _item(server, kind, bytes(raw))))
    listed.more = {**foreign(page, (kind.value, _NEXT)), **listed.more}
    listed.hint = of_both(listed.hint, hint_of(page, asked))
    return following


def _item(server: str, kind: Kind, raw: bytes) -> Item | None:
    try:
        return Item(_text.decode(_keys.decode(raw)[kind.key]), raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        _log.warning("server %r: an item of %s has no %s and is left out", server, kind.method, kind.key)
        return None
