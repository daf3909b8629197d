"""All servers: which there are, and the one link to each."""

import asyncio
import math
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Final

from toolgate.catalog.remembered import Memory
from toolgate.catalog.snapshot import Route
from toolgate.config.model import Life
from toolgate.errors import NotFound, ServerUnavailable
from toolgate.http import pool as connections
from toolgate.model.life import Wish
from toolgate.model.server import DEFAULT_TIMEOUT, GraphQl, Http, OpenApi, Server, Stdio, Transport
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.runtime import process
from toolgate.runtime.base import Runtime
from toolgate.runtime.packages.packages import Prepare, unprepared
from toolgate.store.halts import Halts
from toolgate.upstream.background import Background
from toolgate.upstream.base import Events, Links, Log, Status, silent
from toolgate.upstream.fingerprint import fingerprint
from toolgate.upstream.idle import Idle
from toolgate.upstream.launch import StdioLinks
from toolgate.upstream.reach import HttpLinks
from toolgate.upstream.reached import Reach, Reached
from toolgate.upstream.resolved import Environment, Resolve
from toolgate.upstream.room import Room
from toolgate.upstream.sent import Sent, Way
from toolgate.upstream.services.reach import ServiceLinks
from toolgate.upstream.shared import SharedUpstream
from toolgate.upstream.slots import Slots
from toolgate.upstream.supervisor import Upstream
from toolgate.upstream.tally import Tally
from toolgate.upstream.trial import Trials

__all__ = ["Pool", "removed"]

_DRAIN: Final = 60.0  # seconds for the calls of a server that was changed or removed
_LEAVING: Final = 1024


class Pool:
    """Made on the event loop that it lives on. `close` leaves no task, process, socket or descriptor behind."""

    def __init__(
        self,
        resolve: Resolve,
        memory: Memory,
        events: Events,
        *,
        response_bytes: int,
        start_timeout: float,
        environment: Environment,
        runtime: Runtime = process.start,
        fingerprint_key: bytes = b"",
        elsewhere: Reach | None = None,
        life: Life | None = None,
        halts: Halts | None = None,
        log: Log = silent,
        prepare: Prepare = unprepared,
    ) -> None:
        """`elsewhere` makes what reaches a server that another worker runs. `halts` knows what a person has stopped,
        `log` takes what servers write beside the protocol, `prepare` installs what package runners name."""
        self._life = life or Life()
        self._halts = halts or Halts()
        self._idle = Idle(self._children, self._allowed)
        self._room = Room(self._idle.spare, self._life.processes, self._life.processes_per_owner)
        self._elsewhere = elsewhere
        self._memory = memory
        self._events = events
        self._key = fingerprint_key
        self._slots = Slots()
        self._trials = Trials()
        self._connections = connections.Pool()
        self._stdio: Links = StdioLinks(
            runtime,
            resolve,
            environment,
            response_bytes=response_bytes,
            start_timeout=start_timeout,
            log=log,
            prepare=prepare,
        )
        self._http: Links = HttpLinks(
            self._connections, resolve, response_bytes=response_bytes, start_timeout=start_timeout
        )
        services = ServiceLinks(self._connections, resolve, response_bytes=response_bytes, start_timeout=start_timeout)
        self._links: dict[type[Transport], Links] = {
            Stdio: self._stdio, Http: self._http, OpenApi: services, GraphQl: services
        }  # fmt: skip
        self._upstreams: dict[str, Reached] = {}
        self._leaving = Background(_LEAVING)

    def configure(self, life: Life) -> None:
        """From now on."""
        self._life = life
        self._room.configure(life.processes, life.processes_per_owner)

    async def apply(self, servers: Iterable[Server]) -> None:
        """Make these the servers. One whose definition is as before keeps its link; a changed one is started beside
        the old, which ends its calls first; one that is gone does the same. Waits for none of it."""
        self._idle.start()
        before, self._upstreams = self._upstreams, {}
        for server in servers:
            known = before.get(server.name)
            if known is not None and known.server == server:
                self._upstreams[server.name] = before.pop(server.name)
                continue
            if known is not None:
                known.stop()  # before its successor speaks up under the same name
            self._upstreams[server.name] = self._new(server)
        for upstream in before.values():
            upstream.stop()
            if not self._leaving.spawn(upstream.close(_DRAIN), f"leave {upstream.server.name}"):
                await upstream.close(0)
        for name in before.keys() - self._upstreams.keys():
            await self._halts.forget(name)

    def get(self, name: str) -> Reached | None:
        return self._upstreams.get(name)

    async def order(self, name: str, wish: Wish, actor: str) -> None:
        """What a person wants of a server; returns when it is done, or could not be. Raises `NotFound`, and what is in
        the way of asking another worker for it."""
        upstream = self._upstreams.get(name)
        if upstream is None:
            raise NotFound(f"there is no server {name}", hint="GET /api/v1/servers lists them")
        if isinstance(upstream, SharedUpstream):  # its owner remembers it for all
            await (self._halts.note(name, actor) if wish is Wish.STOP else self._halts.forget(name))
        await upstream.order(wish, actor)

    def send(self, call: Call) -> Awaitable[Reply]:
        """Pass a call on, see `Upstream.send`: the end of the road."""
        if isinstance(call.sent, Sent):
            return call.sent.way.owner.send(call)  # though it may be removed meanwhile
        upstream = self._upstreams.get(call.route.server)
        if upstream is None:
            raise removed(call.route.server)
        return upstream.send(call)

    def way(self, call: Call) -> Way | None:
        """The way of this call and others like it that need no task; None where they do."""
        upstream = self._upstreams.get(call.route.server)
        return upstream.way(call) if upstream is not None else None

    def reach(self, route: Route) -> tuple[float, Era | None]:
        """Seconds that a call over this route may take, and its server's era as far as it is known."""
        upstream = self._upstreams.get(route.server)
        return upstream.reach(route.name) if upstream is not None else (DEFAULT_TIMEOUT, None)

    def statuses(self) -> list[Status]:
        return [upstream.status for upstream in self._upstreams.values()]

    async def check(self, name: str) -> None:
        """Ask a server whether it is alive. Raises `UpstreamError`."""
        if (upstream := self._upstreams.get(name)) is not None:
            await upstream.check()

    def under_way(self, name: str) -> int:
        """Calls that a server has not answered yet."""
        upstream = self._upstreams.get(name)
        return upstream.under_way if upstream is not None else 0

    def in_flight(self) -> list[tuple[tuple[str], float]]:
        """The same of each server, for `toolgate_calls_in_flight`."""
        return [((name,), upstream.under_way) for name, upstream in self._upstreams.items()]

    def links(self) -> list[tuple[tuple[str], float]]:
        """Live links of each server, for `toolgate_server_links`."""
        return [((name,), upstream.links) for name, upstream in self._upstreams.items()]

    def connections(self) -> list[tuple[tuple[str], float]]:
        """To servers behind URLs, by what they do, for `toolgate_connections`."""
        return [((state,), count) for state, count in self._connections.counts().items()]

    async def trial(self, server: Server) -> Catalogue:
        """See `upstream.trial.Trials.run`."""
        return await self._trials.run(self._links[type(server.transport)], server)

    async def settled(self, timeout: float) -> None:
        """Wait until every server was ready with its lists read, or failed once; at most `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for upstream in tuple(self._upstreams.values()):
                    await upstream.settled()

    async def close(self, grace: float) -> None:
        """Give calls under way `grace` seconds, then stop everything, which takes a few seconds more at most."""
        await self._idle.close()
        upstreams, self._upstreams = self._upstreams, {}
        await asyncio.gather(*(upstream.close(grace) for upstream in upstreams.values()))
        await self._leaving.finish(grace)
        await self._connections.close()

    def _new(self, server: Server) -> Reached:
        remote = self._elsewhere(server) if self._elsewhere is not None else None
        if remote is not None:
            remote.start()
            return remote
        own = self._own(server)
        own.start(self._halts.by(server.name))
        return own

    def _own(self, server: Server) -> SharedUpstream:
        connect = self._links[type(server.transport)]
        room = self._room if isinstance(server.transport, Stdio) else None
        known, tally = fingerprint(server, self._key), Tally()

        def make(capabilities: bytes) -> Upstream:
            return Upstream(server, known, connect, self._memory, self._events, self._slots, tally, capabilities, room)

        return SharedUpstream(server, make, on_use=(server.start or self._life.start) == "use")

    def _children(self) -> Iterable[SharedUpstream]:
        """The child processes that are ours to run."""
        return (
            upstream
            for upstream in self._upstreams.values()
            if isinstance(upstream, SharedUpstream) and isinstance(upstream.server.transport, Stdio)
        )

    def _allowed(self, server: Server) -> float:
        """Seconds that it may be idle."""
        idle = server.idle if server.idle is not None else self._life.idle
        return math.inf if idle == "never" else float(idle)


def removed(server: str) -> ServerUnavailable:
    """For a call that began before its server was taken out of the configuration."""
    return ServerUnavailable(f"server {server!r} was removed from the configuration", server=server)
