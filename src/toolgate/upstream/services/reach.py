"""From the definition of a web API to a link that has its description."""

import asyncio

from toolgate.errors import StartFailed, UpstreamError
from toolgate.http.pool import Pool
from toolgate.model.server import GraphQl, OpenApi, Server
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.eras import Era
from toolgate.upstream.relay import News
from toolgate.upstream.resolved import Resolve
from toolgate.upstream.services.link import Service, ServiceLink

__all__ = ["ServiceLinks"]


class ServiceLinks:
    """An `upstream.base.Links`. `response_bytes` bounds an answer; `start_timeout` is in seconds."""

    def __init__(self, pool: Pool, resolve: Resolve, *, response_bytes: int, start_timeout: float) -> None:
        self._pool = pool
        self._resolve = resolve
        self._response_bytes = response_bytes
        self._start_timeout = start_timeout

    async def __call__(self, server: Server, era: Era | None, news: News, capabilities: bytes = NONE) -> ServiceLink:
        try:
            async with asyncio.timeout(self._start_timeout):
                return ServiceLink(server.name, await self._service(server), news)
        except TimeoutError:
            reason = f"did not give its description within {self._start_timeout:g} s"
            raise StartFailed(reason, server=server.name) from None
        except UpstreamError as error:
            error.details.setdefault("server", server.name)
            raise

    async def _service(self, server: Server) -> Service:
        transport, limit = server.transport, self._response_bytes
        if isinstance(transport, OpenApi):
            from toolgate.upstream.openapi.service import OpenApiService  # noqa: PLC0415  # 0.2 s, where there is one

            return await OpenApiService.open(server.name, transport, self._pool, self._resolve, limit)
        if isinstance(transport, GraphQl):
            from toolgate.upstream.graphql.service import GraphQlService  # noqa: PLC0415  # 0.2 s

            return await GraphQlService.open(server.name, transport, self._pool, self._resolve, limit)
        raise TypeError(f"server {server.name!r} is no web API")
