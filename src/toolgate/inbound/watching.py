"""The resources that one listen stream watches."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Self

from toolgate.catalog.addresses import locate
from toolgate.catalog.snapshot import Route
from toolgate.errors import Forbidden, InvalidParams, UpstreamError
from toolgate.inbound.exchange import Exchange
from toolgate.inbound.updates import Heard, Subscribing, message_of

__all__ = ["Watching"]

_MOST: Final = 1_000  # resources of one stream; those beyond are not honoured


class Watching:
    """`async with` for as long as the stream lives. `tell` gets the notifications; what comes before the stream was
    acknowledged is told right after it (2026-07-28, Subscriptions, Acknowledgment)."""

    def __init__(self, servers: Subscribing, exchange: Exchange, tell: Callable[[bytes], None]) -> None:
        self._servers = servers
        self._exchange = exchange
        self._tell = tell
        self._held: list[tuple[Route, Heard]] = []
        self._early: list[bytes] | None = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for route, heard in self._held:
            await self._servers.unsubscribe(route, heard)

    async def start(self, uris: Iterable[str]) -> list[str]:
        """Those of the URIs that a server tells updates of."""
        honoured: list[str] = []
        for uri in list(dict.fromkeys(uris))[:_MOST]:
            try:
                route = locate(self._exchange.view, uri)
                heard = partial(self._heard, uri, route)
                reply = await self._servers.subscribe(self._exchange.principal, route, heard)
            except (Forbidden, InvalidParams, UpstreamError):
                continue
            if not reply.is_error:
                self._held.append((route, heard))
                honoured.append(uri)
        return honoured

    def speak(self) -> None:
        early, self._early = self._early, None
        for message in early or ():
            self._tell(message)

    def _heard(self, uri: str, route: Route, updated: str, params: bytes) -> None:
        message = message_of(uri, route, updated, params, self._exchange.key)
        if self._early is None:
            self._tell(message)
        elif message not in self._early:
            self._early.append(message)
