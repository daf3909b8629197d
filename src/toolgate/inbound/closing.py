"""How lists and introductions end: with what their server says of them as a whole, and for how long that is good."""

import time
from collections.abc import Sequence
from math import inf
from typing import Final

from msgspec import Raw

from toolgate.catalog.snapshot import View
from toolgate.model.freshness import Freshness
from toolgate.protocol.envelope import NOTHING, Fields, dump, fields
from toolgate.protocol.eras import SERVER_INFO

__all__ = ["closing", "legacy_closing", "more_of"]

_AT_ONCE: Final = 0, False


def closing(view: View, method: str) -> bytes:
    """The members that end a cacheable modern result, and its brace (2026-07-28, Caching)."""
    milliseconds, public = _keepable(view.freshness, method)
    more = dict(more_of(view, method))
    meta = fields(more.pop("_meta"), "_meta") if "_meta" in more else {}
    meta[SERVER_INFO] = Raw(dump(view.server_info))
    scope = "public" if public else "private"
    return dump({**more, "ttlMs": milliseconds, "cacheScope": scope, "_meta": meta})[1:]


def legacy_closing(view: View, method: str) -> bytes:
    """The members that end a legacy result, and its brace."""
    more = more_of(view, method)
    return b"," + dump(more)[1:] if more else b"}"


def more_of(view: View, method: str) -> Fields:
    """The members that only the server knows."""
    return fields(Raw(view.more[method])) if method in view.more else NOTHING


def _keepable(servers: Sequence[Freshness], method: str) -> tuple[int, bool]:
    """For how many milliseconds what is made of these may be kept, and whether for anybody: no longer than any of them
    says, and for this caller alone where one says nothing."""
    now, least, public = time.time(), inf, True
    for server in servers:
        hint = server.of(method)
        if hint is None:
            return _AT_ONCE
        least, public = min(least, hint.left(now)), public and hint.public
    return _AT_ONCE if least == inf else (int(least * 1000), public)
