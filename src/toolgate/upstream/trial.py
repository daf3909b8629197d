"""A server tried out: started or reached once, beside all that is served, and asked what it offers."""

import asyncio
from typing import Final

from toolgate.errors import Overloaded, StartFailed
from toolgate.model.server import Server
from toolgate.model.tool import Catalogue
from toolgate.protocol.capabilities import NONE
from toolgate.upstream import listing
from toolgate.upstream.base import Links
from toolgate.upstream.relay import NoNews

__all__ = ["Trials"]

_AT_ONCE: Final = 4
_WAITING: Final = 64
_PAGE: Final = 30.0  # seconds a page of a list


class Trials:
    """A few at once; others wait."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._asked = 0

    async def run(self, links: Links, server: Server) -> Catalogue:
        """What it offers; nothing of it is left behind. Raises `UpstreamError` and `SecretMissing` where it could not
        be started or reached, and `Overloaded`."""
        if self._asked >= _WAITING:
            raise Overloaded("too many servers are being tried out", hint="try again in a moment", retry_after=5)
        self._asked += 1
        try:
            async with self._slots:
                return await _tried(links, server)
        finally:
            self._asked -= 1


async def _tried(links: Links, server: Server) -> Catalogue:
    link = await links(server, None, NoNews(), NONE)
    try:
        kinds = listing.kinds_of(link.catalogue_head.capabilities)
        if not kinds:
            raise StartFailed("offers neither tools nor prompts nor resources", server=server.name)
        return await listing.read(server.name, link, kinds, None, _PAGE)
    finally:
        await link.close(0)
