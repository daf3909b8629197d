"""Keep what is known of a server's lists as fresh as the server allows."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from toolgate.errors import UpstreamError
from toolgate.model.server import Http, Server
from toolgate.model.tool import Catalogue, Kind
from toolgate.upstream.backoff import Backoff
from toolgate.upstream.base import Link
from toolgate.upstream.listen import kinds_announced
from toolgate.upstream.listing import kinds_of, read, without_invalid_tools

__all__ = ["Refresher"]

_DEBOUNCE: Final = 0.1  # seconds in which changes that come one after another are read once
_INTERVAL: Final = 300.0  # seconds, for lists whose changes nobody announces, or that are good for a time
_PAGE: Final = 30.0  # seconds for a page


class Refresher:
    """Reads one list at a time, and what changed meanwhile after that. Lives as long as the server's definition;
    `run` as long as a link."""

    def __init__(
        self,
        server: Server,
        before: Catalogue | None,
        learnt: Callable[[Link, Catalogue], None],
        failed: Callable[[UpstreamError], None],
    ) -> None:
        self.catalogue = before
        self._server = server
        self._learnt = learnt
        self._failed = failed
        self._dirty: set[Kind] = set()
        self._wake = asyncio.Event()
        self._backoff = Backoff(first=5.0)

    def changed(self, kinds: frozenset[Kind]) -> Catalogue | None:
        """The server says that these lists read differently now. The answer is the catalogue, where somebody may have
        been told that it is good for longer."""
        self._dirty |= kinds
        self._wake.set()
        known = self.catalogue
        return known if known is not None and known.freshness.end(kind.method for kind in kinds) else None

    async def run(self, link: Link) -> None:
        """Read everything, then what changes, until cancelled."""
        capabilities = link.catalogue_head.capabilities
        served = kinds_of(capabilities)
        quiet = not isinstance(self._server.transport, Http) and served <= kinds_announced(capabilities)
        self._dirty = set(served)
        while True:
            wait = await self._read(link, served)
            if wait is None:
                expires = self.catalogue is not None and self.catalogue.freshness.expires
                wait = None if quiet and not expires else _INTERVAL * random.uniform(0.9, 1.1)  # noqa: S311  # jitter is no secret
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)
            await asyncio.sleep(_DEBOUNCE)
            if not self._dirty:
                self._dirty = set(served)

    async def _read(self, link: Link, served: frozenset[Kind]) -> float | None:
        """Seconds after which to try again, or None where all went well."""
        kinds, self._dirty = self._dirty & served, set()
        self._wake.clear()
        try:
            catalogue = await read(self._server.name, link, kinds, self.catalogue, _PAGE)
        except UpstreamError as error:
            self._dirty |= kinds
            self._failed(error)
            return self._backoff.next(0)
        self._backoff = Backoff(first=5.0)
        if isinstance(self._server.transport, Http):
            catalogue = without_invalid_tools(self._server.name, catalogue)
        catalogue.freshness.end(kind.method for kind in self._dirty)  # they have changed while they were read
        self.catalogue = catalogue
        self._learnt(link, catalogue)
        return None
