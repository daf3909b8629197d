"""The gateway: every room of it, put together; opened, reloaded, drained and closed."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from toolgate.catalog.memory import CatalogueMemory
from toolgate.catalog.refresh import Catalog
from toolgate.catalog.snapshot import Route, Snapshot, View
from toolgate.catalog.virtual import Bundle, Pick
from toolgate.config.load import Loaded
from toolgate.config.model import Document
from toolgate.control.app import Control
from toolgate.control.lives import Lives
from toolgate.control.records import Records
from toolgate.control.report import entry, told
from toolgate.http.application import Application
from toolgate.identity.access import Access, allows_anonymous, check_listen
from toolgate.identity.authenticate import Authenticator
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import Answers
from toolgate.inbound.app import App
from toolgate.inbound.elsewhere import ALONE, Place
from toolgate.inbound.express import Express
from toolgate.inbound.http import StreamableHttp
from toolgate.inbound.http_sse import HttpSse
from toolgate.inbound.parking import Parking
from toolgate.inbound.rebinding import Hosts
from toolgate.inbound.sessions import Sessions
from toolgate.inbound.updates import Heard, Updates
from toolgate.installed import Installed, owners
from toolgate.model.life import Wish
from toolgate.model.principal import Principal
from toolgate.model.secretref import Secret, Template
from toolgate.model.server import Provenance, Server, Stdio
from toolgate.model.tool import Catalogue, Kind
from toolgate.observe.metrics import Reading
from toolgate.observe.server_logs import ServerLogs
from toolgate.pipeline.build import pipeline, stages
from toolgate.pipeline.call import Reply
from toolgate.pipeline.stages.authorize import Authorize
from toolgate.pipeline.stages.cache import Cache
from toolgate.pipeline.stages.limit import Limit
from toolgate.pipeline.stages.record import Record
from toolgate.policy.buckets import LocalBuckets
from toolgate.protocol.eras import Era
from toolgate.runtime.local import local_runtimes
from toolgate.runtime.packages.packages import Packages
from toolgate.runtime.packages.run import Runner
from toolgate.secrets.child_environment import child_environment
from toolgate.store.database import Database
from toolgate.store.folder import private_key
from toolgate.store.halts import Halts
from toolgate.upstream.base import Status
from toolgate.upstream.pool import Pool, removed
from toolgate.watching import Watching
from toolgate.workers.crew import Crew
from toolgate.workers.seat import Seat

__all__ = ["DEMO", "Gateway"]

DEMO: Final = Server(
    name="demo",
    transport=Stdio(Template(sys.executable), (Template("-m"), Template("toolgate.demo.server"))),
    provenance=Provenance("demo"),
)
"""What is served where no server is configured anywhere, so that the first minute shows something that works."""


class Gateway:
    """One running gateway. `open` returns at once; its servers start in the background."""

    app: Application

    def __init__(self, loaded: Loaded, read: Callable[[], Loaded], seat: Seat | None = None) -> None:
        self._crew = Crew(seat, self) if seat is not None else None
        self.loaded = self._base = loaded
        self._read = read
        self._reloading = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._watchers: set[Callable[[], None]] = set()
        self._draining = asyncio.Event()
        self._catalog = Catalog()

    @classmethod
    async def open(
        cls,
        loaded: Loaded,
        *,
        read: Callable[[], Loaded],
        state: Path,
        token: str = "",
        host: str | None = None,
        seat: Seat | None = None,
    ) -> Self:
        """`read` loads the configuration anew; `token` lets this user's own programs in; `host` is where it listens,
        if not where the document says. `seat` makes it one worker of several. Raises `ConfigError` and
        `StoreError`."""
        gateway = cls(loaded, read, seat)
        try:
            await gateway._provision(state, token, host or loaded.document.host)
            whole = await gateway._installed.whole(loaded)
            await gateway._let_workers_in()
            await gateway._apply(whole)  # at once: the others ask for servers from now on
        except BaseException:
            await gateway._stack.aclose()
            raise
        return gateway

    async def _provision(self, state: Path, token: str, host: str) -> None:
        document, crew = self.loaded.document, self._crew
        place = crew.seat.place if crew is not None else ALONE
        database = await Database.open(document.database, state)
        self._stack.push_async_callback(database.close)
        keys = await Authenticator.open(database)
        self._stack.push_async_callback(keys.close)
        check_listen(host, document.access.anonymous, keys.has_keys)
        key = await asyncio.to_thread(private_key, state)
        memory = await CatalogueMemory.open(database)
        self._stack.push_async_callback(memory.close)
        if crew is not None:
            self._stack.push_async_callback(crew.close)
        leads = crew is None or crew.seat.leads
        self._installed = Installed(database, state, self, lambda: self._catalog.current, self._renew, leads=leads)
        sinks = [self._installed.counted.take]
        self._watching = await Watching.open(document, database, self._catalog, self._resolve, self._stack, crew, sinks)
        self._pool = await self._servers(database, memory, key, state)
        self._sessions = Sessions(key, place=place)
        self._stack.callback(self._sessions.close)
        self._announcer = Announcer(self._catalog, self._sessions, self, self._draining)
        parking = Parking(key, place=place)
        self._stack.callback(parking.close)
        access = Access(keys, anonymous=allows_anonymous(host, document.access.anonymous), token=token)
        mcp, sse = self._road(parking, place)
        gauges: dict[str, Callable[[], Reading]] = {
            "toolgate_calls_parked": lambda: len(parking),
            "toolgate_sessions": lambda: len(self._sessions),
            "toolgate_streams_open": lambda: self._announcer.streams + len(sse),
        }
        health = self._watching.watch(self._pool, document, gauges, self._stack)
        records = Records(self._watching.recorder, database, lambda: self._catalog.current)
        governed = self if crew is None else crew.governed(self)
        lives = Lives(governed, self._logs, self._watching.transitions.of)
        routes, accounts = self._installed.open(self._stack, lives.routes)
        self.app = App(
            mcp,
            sse,
            Control(governed, health=health, records=records, more=[*lives.routes, *routes], accounts=accounts),
            self._watching.exposition,
            hosts=Hosts(host, document.access.allowed_hosts, document.access.allowed_origins),
            authenticate=access.principal,
            keys=lambda: keys.revision,
            at_once=self._express.take,
            count=self._watching.metrics.refused,
            ready=lambda: not self._draining.is_set(),
            request_bytes=document.limits.request_bytes,
        )

    async def _let_workers_in(self) -> None:
        if self._crew is not None:
            self.app = await self._crew.open(self.app, self._pool, self._watching.metrics, self.reload)

    async def _servers(self, database: Database, memory: CatalogueMemory, key: bytes, state: Path) -> Pool:
        """What they are started in, and what is kept of them."""
        self._logs = ServerLogs(state / "logs")
        self._stack.push_async_callback(self._logs.close)
        runtime = await asyncio.to_thread(local_runtimes, state)
        self._stack.push_async_callback(runtime.close)
        runtime.sweep()
        packages = Packages(state / "packages", Runner(runtime), os.environ)
        self._stack.push_async_callback(packages.close)
        document, crew = self.loaded.document, self._crew
        return Pool(
            self._resolve,
            memory,
            self,
            response_bytes=document.limits.response_bytes,
            start_timeout=document.start_timeout,
            environment=partial(child_environment, os.environ),
            fingerprint_key=key,
            elsewhere=crew.reach if crew is not None else None,
            life=self._share(document).life,
            halts=await Halts.open(database),
            log=self._logs.write,
            prepare=packages.prepared,
            runtime=runtime,
        )

    def _road(self, parking: Parking, place: Place) -> tuple[StreamableHttp, HttpSse]:
        """From the doors through the stages to the servers."""
        document, crew = self.loaded.document, self._crew
        self._authorize = Authorize(self._catalog.permissions, document)
        refused = self._watching.metrics.refused
        self._limit = Limit(crew.seat.buckets if crew is not None else LocalBuckets(), self._share(document), refused)
        self._cache = Cache(self._share(document))
        record = Record(self._watching.recorder)
        road = pipeline(self._pool.send, stages(record, self._authorize, self._limit, self._cache))
        answers = Answers(road, self, parking, self._watching.tracer)
        updates = Updates(self, self._sessions)
        mcp = StreamableHttp(self._catalog, answers, self._sessions, self._announcer, updates)
        self._express = Express(
            self._catalog,
            self._pool,
            self._watching.tracer,
            self._sessions,
            mcp,
            stages=(record, self._authorize, self._limit, self._cache),
        )
        sse = HttpSse(self._catalog, self._sessions, mcp.legacy, mcp.in_session, self._announcer, place)
        return mcp, sse

    def _share(self, document: Document) -> Document:
        """What this process may use up of what the document gives to all."""
        return document if self._crew is None else self._crew.share(document)

    async def _apply(self, loaded: Loaded) -> None:
        """Swap: what is routable first, then what runs."""
        before = {server.name: server for server in self.loaded.servers}
        self.loaded = loaded
        servers = loaded.servers or (DEMO,)
        for server in servers:
            if before.get(server.name) != server:
                self._catalog.outdated(server.name)
        self._limit.configure(self._share(loaded.document))
        self._cache.configure(self._share(loaded.document))
        if self._crew is not None:
            self._crew.configure(servers)
        permitted = self._authorize.configure(loaded.document, owners(servers))
        self._express.forget()
        self._watching.keep(server.name for server in servers)
        self._catalog.configure([server.name for server in servers], _bundles(loaded.document))
        if permitted:
            self._catalog.shown_otherwise()
        self._pool.configure(self._share(loaded.document).life)
        await self._pool.apply(servers)
        self._changed()

    async def reload(self) -> Loaded:
        """Validate, then swap. A `ConfigError` leaves all as it was. One at a time."""
        async with self._reloading:
            loaded = self._base = await asyncio.to_thread(self._read)
            whole = await self._installed.whole(loaded)
            await self._apply(whole)
            return whole

    async def _renew(self) -> None:
        """Apply what was installed, changed or removed, at all workers."""
        async with self._reloading:
            await self._apply(await self._installed.whole(self._base))
        if self._crew is not None:
            await self._crew.reload()

    async def order(self, name: str, wish: Wish, actor: str) -> None:
        """What a person wants of a server, see `Pool.order`."""
        await self._pool.order(name, wish, actor)

    async def trial(self, server: Server) -> Catalogue:
        """What it offers, see `Pool.trial`."""
        return await self._pool.trial(server)

    async def settled(self, timeout: float) -> None:
        """Wait until every server is ready or failing, for at most `timeout` seconds."""
        await self._pool.settled(timeout)

    def drain(self) -> None:
        """Refuse what is new and end the streams that would never end by themselves."""
        self._announcer.drain()
        self._logs.end()
        self._installed.changes.close()

    async def close(self, grace: float) -> None:
        """Stop every server, write what is unwritten. Takes not much longer than `grace` seconds."""
        self.drain()
        await self._pool.close(grace)
        await self._stack.aclose()

    # What the doors show

    def report(self) -> list[dict[str, Any]]:
        """One entry a server, in order; the body of `GET /api/v1/servers`."""
        views = self._catalog.current.views
        statuses = self._pool.statuses() if self._crew is None else self._crew.statuses()
        return [entry(status, views) for status in statuses]

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """`changed` is called whenever `report()` may read differently. The answer ends it."""
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    def _changed(self) -> None:
        for changed in tuple(self._watchers):
            changed()

    # What the pool tells (upstream.base.Events)

    def catalogue(self, server: str, catalogue: Catalogue) -> None:
        self._cache.forget(server)
        self._installed.catalogue()
        self._catalog.learn(server, catalogue)
        if self._crew is not None:
            self._crew.catalogue(server, catalogue)
        self._changed()

    def updated(self, server: str) -> None:
        self._cache.forget(server)
        if self._crew is not None:
            self._crew.updated(server)

    def state(self, status: Status) -> None:
        self._watching.state(status)
        if self._crew is None or self._crew.writes_of(status.server):
            self._logs.note(status.server.name, status.state.value, told(status))
        self._installed.state(status)
        if self._crew is not None:
            self._crew.state(status)
        self._changed()

    # The way to single resources (inbound.updates.Subscribing)

    async def subscribe(self, principal: Principal, route: Route, heard: Heard, more: bytes = b"{}") -> Reply:
        self._authorize.check(principal, "resources/subscribe", route)
        upstream = self._pool.get(route.server)
        if upstream is None:
            raise removed(route.server)
        return await upstream.subscribe(route.name, heard, upstream.server.timeout, more)

    async def unsubscribe(self, route: Route, heard: Heard) -> None:
        upstream = self._pool.get(route.server)
        if upstream is not None:
            await upstream.unsubscribe(route.name, heard)

    # What has to be known of servers to call them (inbound.answers.Servers)

    def reach(self, route: Route) -> tuple[float, Era | None]:
        return self._pool.reach(route)

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        return self._catalog.view(snapshot, endpoint, principal)

    async def read(self, servers: Sequence[str]) -> Snapshot | None:
        unread = [self._pool.get(name) for name in servers if self._catalog.is_unread(name)]
        if not unread:
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(self.loaded.document.timeout):
                await asyncio.gather(*(upstream.settled() for upstream in unread if upstream is not None))
        await self._catalog.built()
        return self._catalog.current

    async def _resolve(self, template: Template) -> Secret:
        return await self.loaded.resolver.resolve(template)


def _bundles(document: Document) -> list[Bundle]:
    return [
        Bundle(
            name,
            {
                Kind.TOOLS: tuple(Pick(pick.name, pick.shown_as or "") for pick in virtual.tools),
                Kind.PROMPTS: tuple(Pick(pick.name, pick.shown_as or "") for pick in virtual.prompts),
                Kind.RESOURCES: tuple(Pick(pattern) for pattern in virtual.resources),
            },
        )
        for name, virtual in document.virtual_servers.items()
    ]
