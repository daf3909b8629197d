"""All servers: which there are, and the one link to each."""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Final

from toolgate.catalog.remembered import Memory
from toolgate.catalog.snapshot import Route
from toolgate.errors import ServerUnavailable
from toolgate.http import pool as connections
from toolgate.model.server import DEFAULT_TIMEOUT, Server, Stdio
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.runtime import process
from toolgate.runtime.base import Runtime
from toolgate.upstream.background import Background
from toolgate.upstream.base import Events, Links, Status
from toolgate.upstream.fingerprint import fingerprint
from toolgate.upstream.launch import StdioLinks
from toolgate.upstream.reach import HttpLinks
from toolgate.upstream.reached import Reach, Reached
from toolgate.upstream.resolved import Environment, Resolve
from toolgate.upstream.sent import Sent, Way
from toolgate.upstream.shared import SharedUpstream
from toolgate.upstream.slots import Slots
from toolgate.upstream.supervisor import Upstream
from toolgate.upstream.tally import Tally

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
    ) -> None:
        """`elsewhere` makes what reaches a server that another worker runs."""
        self._elsewhere = elsewhere
        self._memory = memory
        self._events = events
        self._key = fingerprint_key
        self._slots = Slots()
        self._connections = connections.Pool()
        self._stdio: Links = StdioLinks(
            runtime, resolve, environment, response_bytes=response_bytes, start_timeout=start_timeout
        )
        self._http: Links = HttpLinks(
            self._connections, resolve, response_bytes=response_bytes, start_timeout=start_timeout
        )
        self._upstreams: dict[str, Reached] = {}
        self._leaving = Background(_LEAVING)

    async def apply(self, servers: Iterable[Server]) -> None:
        """Make these the servers. One whose definition is as before keeps its link; a changed one is started beside
        the old, which ends its calls first; one that is gone does the same. Waits for none of it."""
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

    def get(self, name: str) -> Reached | None:
        return self._upstreams.get(name)

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

    async def settled(self, timeout: float) -> None:
        """Wait until every server was ready with its lists read, or failed once; at most `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for upstream in tuple(self._upstreams.values()):
                    await upstream.settled()

    async def close(self, grace: float) -> None:
        """Give calls under way `grace` seconds, then stop everything, which takes a few seconds more at most."""
        upstreams, self._upstreams = self._upstreams, {}
        await asyncio.gather(*(upstream.close(grace) for upstream in upstreams.values()))
        await self._leaving.finish(grace)
        await self._connections.close()

    def _new(self, server: Server) -> Reached:
        remote = self._elsewhere(server) if self._elsewhere is not None else None
        upstream = remote if remote is not None else self._own(server)
        upstream.start()
        return upstream

    def _own(self, server: Server) -> SharedUpstream:
        connect = self._stdio if isinstance(server.transport, Stdio) else self._http
        known, tally = fingerprint(server, self._key), Tally()

        def make(capabilities: bytes) -> Upstream:
            return Upstream(server, known, connect, self._memory, self._events, self._slots, tally, capabilities)

        return SharedUpstream(server, make)


def removed(server: str) -> ServerUnavailable:
    """For a call that began before its server was taken out of the configuration."""
    return ServerUnavailable(f"server {server!r} was removed from the configuration", server=server)
