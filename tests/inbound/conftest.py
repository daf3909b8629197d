"""A front on a real socket, with a stand-in for the road behind the pipeline."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from toolgate.catalog.refresh import Catalog
from toolgate.catalog.snapshot import Route, Snapshot, View
from toolgate.errors import NotFound, Unauthenticated
from toolgate.http.asgi import Receive, Scope, Send
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import Answers
from toolgate.inbound.app import App
from toolgate.inbound.http import StreamableHttp
from toolgate.inbound.http_sse import HttpSse
from toolgate.inbound.parking import Parking
from toolgate.inbound.rebinding import Hosts
from toolgate.inbound.serve import serve
from toolgate.inbound.sessions import Sessions
from toolgate.inbound.updates import Heard, Updates
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era

MODERN = "2026-07-28"
BOTH = "application/json, text/event-stream"
Road = Callable[[Call], Awaitable[Reply]]


def modern_meta(**more: Any) -> dict[str, Any]:
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        **more,
    }


def items(kind: Kind, *names: str) -> tuple[Item, ...]:
    return tuple(Item(name, json.dumps({kind.key: name, "extra": [1]}).encode()) for name in names)


class Stalled:
    """A road that never answers."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, call: Call) -> Reply:
        self.started.set()
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        try:
            return await answer
        finally:
            self.cancelled.set()


class Servers:
    """Implements `inbound.updates.Subscribing`; resources under `x:` cannot be subscribed to."""

    def __init__(self) -> None:
        self.heard: dict[tuple[str, str], list[Heard]] = {}
        self.changed = asyncio.Event()
        self.told: list[bytes] = []

    async def subscribe(self, principal: Principal, route: Route, heard: Heard, more: bytes = b"{}") -> Reply:
        self.told.append(more)
        if route.name.startswith("x:"):
            return Reply(b'{"code":-32002,"message":"no such resource"}', is_error=True)
        self.heard.setdefault((route.server, route.name), []).append(heard)
        return Reply(b"{}")

    async def unsubscribe(self, route: Route, heard: Heard) -> None:
        self.heard[route.server, route.name].remove(heard)
        self.changed.set()

    def update(self, server: str, uri: str, params: bytes) -> None:
        for heard in self.heard[server, uri]:
            heard(uri, params)


class Front:
    """The front under test. `road` is what stands behind the pipeline; tests replace it."""

    def __init__(self, url: str, http: aiohttp.ClientSession, catalog: Catalog, sessions: Sessions) -> None:
        self.url = url
        self.http = http
        self.catalog = catalog
        self.sessions = sessions
        self.calls: list[Call] = []
        self.servers = Servers()
        self.arriving: Callable[[], Awaitable[None]] | None = None
        self.server_era = Era.LEGACY
        self.parking = Parking(b"k" * 32, patience=5)
        self.road: Road = self._echo

    # inbound.answers.Servers

    def reach(self, route: Route) -> tuple[float, Era | None]:
        return 5.0, self.server_era

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        return self.catalog.view(snapshot, endpoint, principal)

    async def read(self, servers: Sequence[str]) -> Snapshot | None:
        if self.arriving is None:
            return None
        await self.arriving()
        await self.catalog.built()
        return self.catalog.current

    async def _echo(self, call: Call) -> Reply:
        return Reply(json.dumps({"content": [], "server": call.route.server, "name": call.route.name}).encode())

    async def proceed(self, call: Call) -> Reply:
        self.calls.append(call)
        return await self.road(call)

    @asynccontextmanager
    async def post(
        self, body: Any, headers: dict[str, str] | None = None, endpoint: str = "/mcp"
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        all_headers = {"Content-Type": "application/json", "Accept": BOTH, **(headers or {})}
        async with self.http.post(self.url + endpoint, data=data, headers=all_headers) as answer:
            yield answer

    @asynccontextmanager
    async def modern(
        self, method: str, params: dict[str, Any] | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A well-formed modern request; `headers` replaces or (with "") removes some of its headers."""
        params = {"_meta": modern_meta(), **(params or {})}
        given = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if name := params.get("name", params.get("uri")):
            given["Mcp-Name"] = name
        given = {key: value for key, value in (given | (headers or {})).items() if value}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.post(body, given, **more) as answer:
            yield answer

    async def initialize(self, version: str = "2025-11-25", endpoint: str = "/mcp") -> dict[str, str]:
        """A legacy session; the answer are the headers that its requests carry."""
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        async with self.post(body, endpoint=endpoint) as answer:
            assert answer.status == 200
            result = (await answer.json())["result"]
            session = answer.headers["Mcp-Session-Id"]
        return {"Mcp-Session-Id": session, "MCP-Protocol-Version": result["protocolVersion"]}


async def no_metrics(accept: str) -> tuple[bytes, str]:
    return b"", "text/plain"


async def no_control(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("no control here")


def authenticate(header: bytes | None) -> Principal:
    """Anonymous is local; `Bearer NAME` is the key NAME; anything else is refused."""
    if header is None:
        return LOCAL
    if not header.startswith(b"Bearer ") or header == b"Bearer wrong":
        raise Unauthenticated("unknown key")
    return Principal("key:" + header.decode("latin-1").removeprefix("Bearer "), "somebody")


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    catalog = Catalog()
    catalog.configure(["one", "two"])
    offered = {
        Kind.TOOLS: items(Kind.TOOLS, "look", "touch"),
        Kind.PROMPTS: items(Kind.PROMPTS, "ask"),
        Kind.RESOURCES: items(Kind.RESOURCES, "t://a"),
        Kind.TEMPLATES: items(Kind.TEMPLATES, "t://{x}/y"),
    }
    catalog.learn("one", Catalogue(offered, {"tools": {}}, {"name": "first", "version": "9"}, "Look before you touch."))
    catalog.learn("two", Catalogue({Kind.TOOLS: items(Kind.TOOLS, "look")}))
    await catalog.built()
    sessions = Sessions(b"k" * 32)
    draining = asyncio.Event()
    servers = Servers()
    announcer = Announcer(catalog, sessions, servers, draining)
    sock = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
        made = Front(url, http, catalog, sessions)
        made.servers = servers
        answers = Answers(made.proceed, made, made.parking)

        class Gateway:
            mcp = StreamableHttp(catalog, answers, sessions, announcer, Updates(servers, sessions))
            app = App(
                mcp,
                HttpSse(catalog, sessions, mcp.legacy, mcp.in_session, announcer),
                no_control,
                no_metrics,
                hosts=Hosts("127.0.0.1", (), ("https://allowed.example",)),
                authenticate=authenticate,
                ready=lambda: not draining.is_set(),
                request_bytes=10_000,
            )

            def drain(self) -> None:
                announcer.drain()

        stop, listening = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(serve(Gateway(), sock, stop=stop, drain=1, listening=listening.set))
        await asyncio.wait_for(listening.wait(), 10)
        made.stop = stop  # type: ignore[attr-defined]
        made.serving = serving  # type: ignore[attr-defined]
        yield made
        stop.set()
        await asyncio.wait_for(serving, 10)
