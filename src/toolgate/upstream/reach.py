"""From the definition of a URL to a link that has shaken hands with it."""

import asyncio

from toolgate.errors import StartFailed, UpstreamError
from toolgate.http.pool import Pool
from toolgate.model.server import Http, Server
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.eras import Era
from toolgate.upstream import resolved, sse
from toolgate.upstream.base import Link
from toolgate.upstream.endpoint import Endpoint
from toolgate.upstream.http import HttpLink
from toolgate.upstream.probe import NotStreamable, shake_hands
from toolgate.upstream.relay import News
from toolgate.upstream.resolved import Resolve

__all__ = ["HttpLinks"]


class HttpLinks:
    """An `upstream.base.Links`. `response_bytes` bounds an answer; `start_timeout` is in seconds."""

    def __init__(self, pool: Pool, resolve: Resolve, *, response_bytes: int, start_timeout: float) -> None:
        self._pool = pool
        self._resolve = resolve
        self._response_bytes = response_bytes
        self._start_timeout = start_timeout

    async def __call__(self, server: Server, era: Era | None, news: News, capabilities: bytes = NONE) -> Link:
        if not isinstance(server.transport, Http):
            raise TypeError(f"server {server.name!r} is not behind a URL")
        address, redact = await resolved.address(server.transport, self._resolve)
        endpoint = Endpoint(server.name, address, self._pool, redact, self._response_bytes)
        try:
            async with asyncio.timeout(self._start_timeout):
                return await _link(endpoint, era, news, capabilities)
        except TimeoutError:
            await endpoint.close()
            raise StartFailed(
                f"did not answer at {address.origin} within {self._start_timeout:g} s", server=server.name
            ) from None
        except UpstreamError as error:
            await endpoint.close()
            raise _named(error, server.name) from None


async def _link(endpoint: Endpoint, era: Era | None, news: News, capabilities: bytes) -> Link:
    """Streamable HTTP in either era, or else HTTP+SSE (2026-07-28, Streamable HTTP, Backward Compatibility)."""
    try:
        contact = await shake_hands(endpoint, era, capabilities)
    except NotStreamable as refused:
        return await sse.connect(endpoint, news, capabilities, refused)
    link = HttpLink(endpoint, contact, news, asks=capabilities != NONE)
    link.start_listening()
    return link


def _named(error: UpstreamError, server: str) -> UpstreamError:
    error.details.setdefault("server", server)
    return error
