"""Resources of one server that somebody wants to hear of: asked for once however many want to, and again on each new
link (2025-11-25, Resources, Subscriptions; 2026-07-28, Subscriptions)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from toolgate.errors import UpstreamError
from toolgate.pipeline.call import Reply
from toolgate.upstream.base import Link

__all__ = ["Heard", "Watched"]

Heard = Callable[[str, bytes], None]
"""Gets the URI that was updated and the params of the notification. Called on the event loop; must not block."""

_MOST: Final = 10_000  # resources of one server

_log = logging.getLogger(__name__)
_DONE: Final = Reply(b"{}")
_FULL: Final = Reply(b'{"code":-32603,"message":"too many resources of this server are subscribed to"}', is_error=True)


class Watched:
    def __init__(self) -> None:
        self._more: dict[str, bytes] = {}
        self._heard: dict[str, set[Heard]] = {}
        self._changing = asyncio.Lock()

    @property
    def is_empty(self) -> bool:
        """Nobody wants to hear of anything, nor is about to."""
        return not self._heard and not self._changing.locked()

    async def subscribe(self, link: Link, uri: str, heard: Heard, more: bytes = b"{}") -> Reply:
        """The server's own answer where it was asked and refused. It is told what the first one tells besides."""
        async with self._changing:
            if uri not in self._heard:
                if len(self._heard) >= _MOST:
                    return _FULL
                reply = await link.subscribe(uri, more)
                if reply.is_error:
                    return reply
                self._more[uri] = more
            self._heard.setdefault(uri, set()).add(heard)
        return _DONE

    async def unsubscribe(self, link: Link | None, uri: str, heard: Heard) -> None:
        """The server is told when nobody wants to hear of it any more; its answer changes nothing."""
        async with self._changing:
            wanting = self._heard.get(uri, set())
            wanting.discard(heard)
            if wanting or self._heard.pop(uri, None) is None:
                return
            del self._more[uri]
            if link is not None:
                try:
                    await link.unsubscribe(uri)
                except UpstreamError as error:
                    _log.debug("could not unsubscribe from %s: %s", uri, error)

    async def renew(self, link: Link) -> None:
        """Ask a new link for all of them. One that is refused stays wanted: the server may have it again later."""
        async with self._changing:
            for uri in tuple(self._heard):
                try:
                    await link.subscribe(uri, self._more[uri])
                except UpstreamError as error:
                    _log.warning("updates of %s are missing: %s", uri, error)
                    return

    def updated(self, uri: str, params: bytes) -> None:
        """The URI may be below the one that was subscribed to (2025-11-25, schema, ResourceUpdatedNotification)."""
        above = (uri,) if uri in self._heard else tuple(known for known in self._heard if uri.startswith(known))
        for heard in {heard for known in above for heard in self._heard[known]}:
            heard(uri, params)
