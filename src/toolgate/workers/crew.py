"""One worker among those of a gateway: what it runs for the others, and what it leaves to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol
from zlib import crc32

import msgspec

from toolgate.config.model import Document
from toolgate.errors import ToolgateError
from toolgate.http.application import Application
from toolgate.http.listener import Listener
from toolgate.http.request import Answer, Request
from toolgate.inbound.elsewhere import Elsewhere
from toolgate.model.life import Wish
from toolgate.model.server import Server, Stdio
from toolgate.model.tool import Catalogue
from toolgate.observe.metrics import Metrics, Snapshot, Total, merged_totals
from toolgate.upstream.base import Events, Status
from toolgate.upstream.pool import Pool
from toolgate.workers.figures import Figures, OfServer
from toolgate.workers.frames import Look, Order, Reload
from toolgate.workers.handover import Handover, Received
from toolgate.workers.owner import Owner
from toolgate.workers.peer import Peer
from toolgate.workers.remote import RemoteUpstream
from toolgate.workers.seat import Seat
from toolgate.workers.share import share

__all__ = ["Crew"]

_LOOK: Final = 1.0  # seconds that the others may take to tell of themselves
_EVERY: Final = 10.0  # seconds between two looks, so that what is told of the last minutes counts all of them
_RELOAD: Final = 30.0  # seconds
_API: Final = ("/api/", "/functions/")

_log = logging.getLogger(__name__)


class _Governed(Protocol):
    def report(self) -> list[dict[str, Any]]: ...

    async def reload(self) -> object: ...

    async def order(self, name: str, wish: Wish, actor: str) -> None: ...


class Crew:
    """Made on the event loop, before the pool; `open` once there is an application.

    A server over stdio is run by the worker that its name falls to, and reached by the others through that one;
    a server behind a URL is reached by each. Worker 0 watches over all servers and answers the API.
    """

    def __init__(self, seat: Seat, events: Events) -> None:
        self.seat = seat
        self._events = events
        self._own: frozenset[str] = frozenset()
        self._peers = {
            number: Peer(seat.doors.calls_of(number), seat.password, number, seat.number)
            for number in range(seat.place.among)
            if number != seat.number
        }
        self._figures: dict[int, Figures] = {}
        self._former: Mapping[str, Total] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closing: list[Callable[[], Awaitable[object]]] = []
        self._owner: Owner | None = None

    # Who runs what

    def configure(self, servers: Iterable[Server]) -> None:
        """Which servers there are, before the pool is told."""
        self._own = frozenset(server.name for server in servers if self._is_ours(server))
        if self._owner is not None:
            self._owner.keep(self._own)

    def reach(self, server: Server) -> RemoteUpstream | None:
        """An `upstream.reached.Reach`."""
        owner = self._owner_of(server)
        return None if owner is None or owner == self.seat.number else self._remote(server, owner)

    def _remote(self, server: Server, owner: int) -> RemoteUpstream:
        return RemoteUpstream(server, self._peers[owner], self._events)

    def _is_ours(self, server: Server) -> bool:
        return self._owner_of(server) == self.seat.number

    def _owner_of(self, server: Server) -> int | None:
        """None for a server that every worker reaches by itself."""
        if not isinstance(server.transport, Stdio):
            return None
        return crc32(server.name.encode()) % self.seat.place.among

    def share(self, document: Document) -> Document:
        return share(document, self.seat.place.among)

    # What the gateway is told by its pool, and the others want to know

    def catalogue(self, server: str, catalogue: Catalogue) -> None:
        if server in self._own and self._owner is not None:
            self._owner.catalogue(server, catalogue)

    def updated(self, server: str) -> None:
        if server in self._own and self._owner is not None:
            self._owner.updated(server)

    def state(self, status: Status) -> None:
        if status.server.name in self._own and self._owner is not None:
            self._owner.state(status)

    # The doors

    async def open(
        self, app: Application, pool: Pool, metrics: Metrics, reload: Callable[[], Awaitable[object]]
    ) -> Application:
        """Let the others in, before the pool is told of servers. The answer is what clients talk to."""
        self._pool = pool
        self._metrics = metrics
        owner = Owner(self.seat.password, pool.get, lambda: self._own_figures().encode(), reload, pool.order)
        self._owner = owner
        doors, number = self.seat.doors, self.seat.number
        loop = asyncio.get_running_loop()
        calls = await loop.create_unix_server(owner.desk, sock=doors.calls[number])
        received = _Front(app, self, None)
        requests = await Listener.open(Received(received, self.seat.password), doors.requests[number])
        handover = Handover(doors, self.seat.password)
        watching = loop.create_task(self._keep_looking(), name="look at the workers") if self.seat.leads else None

        async def close() -> None:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            calls.close()
            await requests.close(0)
            await handover.close()
            await owner.close()

        self._closing.append(close)
        return _Front(app, self, handover)

    async def close(self) -> None:
        for close in self._closing:
            await close()
        await asyncio.gather(*(peer.close() for peer in self._peers.values()))

    def writes_of(self, server: Server) -> bool:
        """Whether it is for this worker to keep the log of a server."""
        owner = self._owner_of(server)
        return self.seat.leads if owner is None else owner == self.seat.number

    # What is told of the whole gateway

    def _own_figures(self) -> Figures:
        servers = {
            status.server.name: OfServer(status.calls, self._pool.under_way(status.server.name), status.latency)
            for status in self._pool.statuses()
        }
        return Figures(self._metrics.snapshot(), self._metrics.totals(), servers)

    async def look(self) -> None:
        """Ask all others for their figures; those that do not answer soon are left out. Several who ask at once share
        one answer."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="look at the workers")
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        numbers = list(self._peers)
        found = await asyncio.gather(*(self._figures_of(number) for number in numbers))
        for number, figures in zip(numbers, found, strict=True):
            before = self._figures.get(number)
            is_same = self._peers[number].is_up if figures is None else _calls(figures) >= _calls(before or figures)
            if before is not None and not is_same:
                # It has ended: what it had counted was counted nevertheless.
                self._former = merged_totals([self._former, before.totals])
                del self._figures[number]
            if figures is not None:
                self._figures[number] = figures

    async def _figures_of(self, number: int) -> Figures | None:
        try:
            async with asyncio.timeout(_LOOK):
                reply = await self._peers[number].ask(Look)
                return Figures.read(reply.payload)
        except (TimeoutError, ToolgateError) as error:
            _log.debug("worker %d tells nothing of itself: %s", number, error)
        except msgspec.DecodeError as error:
            _log.error("what worker %d tells of itself cannot be read: %s", number, error)
        return None

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def snapshots(self) -> list[Snapshot]:
        """Of all other workers that live, for `/metrics`."""
        await self.look()
        return [self._figures[number].snapshot for number in self._live()]

    def totals(self) -> Mapping[str, Total]:
        """By server, of all workers, as far as the others have told."""
        others = (figures.totals for figures in self._figures.values())
        return merged_totals([self._metrics.totals(), self._former, *others])

    def statuses(self) -> list[Status]:
        """With what the other workers know of the same servers."""
        return [self._whole(status) for status in self._pool.statuses()]

    def _whole(self, status: Status) -> Status:
        others = [self._figures[number].servers.get(status.server.name) for number in self._live()]
        known = [of_server for of_server in others if of_server is not None]
        latencies = [of_server.latency for of_server in known if of_server.latency is not None]
        return replace(
            status,
            calls=status.calls + sum(of_server.calls for of_server in known),
            latency=status.latency if status.latency is not None else next(iter(latencies), None),
        )

    def under_way(self, server: str) -> int:
        others = (self._figures[number].servers.get(server) for number in self._live())
        return self._pool.under_way(server) + sum(known.under_way for known in others if known is not None)

    def _live(self) -> list[int]:
        return [number for number, peer in self._peers.items() if peer.is_up and number in self._figures]

    async def reload(self) -> None:
        """At all other workers. One that fails says so in its log, and is tried again with the next change."""
        asked = [self._reload_at(peer) for peer in self._peers.values()]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, Exception):
                _log.warning("another worker has not read the configuration again: %s", answer)

    async def order(self, name: str, wish: Wish, actor: str) -> None:
        """A server that every worker reaches by itself obeys at all of them; one that does not hear of it says so in
        the log, and hears of a stop when it starts."""
        upstream = self._pool.get(name)
        if upstream is None or self._owner_of(upstream.server) is not None:
            return
        asked = [peer.ask(lambda number: Order(number, name, wish.value, actor)) for peer in self._peers.values()]
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, Exception):
                _log.warning("another worker has not heard that server %r is to %s: %s", name, wish, answer)

    async def _reload_at(self, peer: Peer) -> None:
        async with asyncio.timeout(_RELOAD):
            await peer.ask(Reload)

    def governed(self, gateway: _Governed) -> "_All":
        return _All(gateway, self)


def _calls(figures: Figures) -> int:
    return sum(total.calls for total in figures.totals.values())


class _All:
    """Implements `control.app.Governed` for all workers."""

    def __init__(self, gateway: _Governed, crew: Crew) -> None:
        self._gateway = gateway
        self._crew = crew
        self.report = gateway.report

    async def order(self, name: str, wish: Wish, actor: str) -> None:
        await self._gateway.order(name, wish, actor)
        await self._crew.order(name, wish, actor)

    async def reload(self) -> object:
        loaded = await self._gateway.reload()
        await self._crew.reload()
        return loaded


class _Front:
    """Implements `http.server.Application`. Without a way to the others, what is theirs is not handed over."""

    def __init__(self, app: Application, crew: Crew, handover: Handover | None) -> None:
        self._app = app
        self._crew = crew
        self._leads = crew.seat.leads
        self._handover = handover
        self._admit = app.admit
        self.too_large = app.too_large
        self.too_busy = app.too_busy

    def admit(self, request: Request) -> int | Answer:
        return self._admit(request)

    def at_once(self, request: Request) -> bool:
        return self._app.at_once(request)

    async def __call__(self, request: Request) -> None:
        if request.path.startswith(_API):
            if not self._leads and self._handover is not None:
                await self._handover(request, 0)
                return
            await self._crew.look()
        try:
            await self._app(request)
        except Elsewhere as error:
            if self._handover is None:
                raise
            await self._handover(request, error.worker)
