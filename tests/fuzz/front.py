"""A front on a real socket, with a stand-in for the road that reports, asks and answers at once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from tests.inbound.conftest import Servers, authenticate, items, no_control, no_metrics
from toolgate.catalog.refresh import Catalog
from toolgate.catalog.snapshot import Route, Snapshot, View
from toolgate.errors import CannotAsk
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import Answers
from toolgate.inbound.app import App
from toolgate.inbound.http import StreamableHttp
from toolgate.inbound.http_sse import HttpSse
from toolgate.inbound.parking import Parking
from toolgate.inbound.rebinding import Hosts
from toolgate.inbound.serve import serve
from toolgate.inbound.sessions import Sessions
from toolgate.inbound.updates import Updates
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import notification
from toolgate.protocol.eras import Era

__all__ = ["FORBIDDEN", "LIMIT", "Front", "fuzzed_front"]

LIMIT: Final = 300_000  # bytes of a request: deep nesting fits
FORBIDDEN: Final = "forbidden"  # the tool that only a smuggled request calls
_PATIENCE: Final = 0.2  # seconds that parked calls and questions wait for clients that never come back
_FORM: Final = b'{"message":"?","requestedSchema":{"type":"object","properties":{}}}'


class Front:
    """What the fuzzer has to know of it. `smuggled` counts calls that no request of its own asked for."""

    def __init__(self, catalog: Catalog, sessions: Sessions) -> None:
        self.address = ("", 0)
        self.sessions = sessions
        self.smuggled = 0
        self._catalog = catalog

    def session(self) -> str:
        """A new one."""
        for old in self.sessions.all()[:-8]:
            self.sessions.end(old)
        return self.sessions.open("/mcp", LOCAL, "2025-11-25", b'{"elicitation":{}}').token

    # inbound.answers.Servers

    def reach(self, route: Route) -> tuple[float, Era | None]:
        return 5.0, Era.LEGACY

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        return self._catalog.view(snapshot, endpoint, principal)

    async def read(self, servers: Sequence[str]) -> Snapshot | None:
        return None

    async def proceed(self, call: Call) -> Reply:
        if call.route.name == FORBIDDEN:
            self.smuggled += 1
        if call.route.name == "report":
            for step in range(3):
                call.channel.send(notification("notifications/progress", b'{"progressToken":1,"progress":%d}' % step))
        if call.route.name == "ask":
            try:
                async with asyncio.timeout(_PATIENCE):
                    answer = await call.channel.ask("elicitation/create", _FORM)
            except (CannotAsk, TimeoutError):
                return Reply(b'{"code":-32603,"message":"nobody answered"}', is_error=True)
            return Reply(b'{"content":[],"answer":' + answer.payload + b"}")
        return Reply(b'{"content":[]}')


@asynccontextmanager
async def fuzzed_front() -> AsyncIterator[Front]:
    """As the gateway serves it, on loopback."""
    catalog, sessions, servers, draining = Catalog(), Sessions(b"k" * 32), Servers(), asyncio.Event()
    catalog.configure(["one"])
    tools = items(Kind.TOOLS, "look", "report", "ask", FORBIDDEN)
    offered = {
        Kind.TOOLS: tools,
        Kind.PROMPTS: items(Kind.PROMPTS, "ask"),
        Kind.RESOURCES: items(Kind.RESOURCES, "t://a"),
    }
    catalog.learn("one", Catalogue({**offered, Kind.TEMPLATES: items(Kind.TEMPLATES, "t://{x}/y")}, {"tools": {}}))
    await asyncio.sleep(0)
    announcer = Announcer(catalog, sessions, servers, draining)
    front = Front(catalog, sessions)
    answers = Answers(front.proceed, front, Parking(b"k" * 32, patience=_PATIENCE))

    mcp = StreamableHttp(catalog, answers, sessions, announcer, Updates(servers, sessions))

    class Gateway:
        app = App(
            mcp,
            HttpSse(catalog, sessions, mcp.legacy, mcp.in_session, announcer),
            no_control,
            no_metrics,
            hosts=Hosts("127.0.0.1"),
            authenticate=authenticate,
            ready=lambda: not draining.is_set(),
            request_bytes=LIMIT,
        )

        def drain(self) -> None:
            announcer.drain()

    sock = socket.create_server(("127.0.0.1", 0))
    front.address = sock.getsockname()
    stop, listening = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(Gateway(), sock, stop=stop, drain=1, listening=listening.set))
    try:
        await asyncio.wait_for(listening.wait(), 10)
        yield front
    finally:
        for session in sessions.all():
            sessions.end(session)
        stop.set()
        await asyncio.wait_for(serving, 10)
        announcer.stop()
        sock.close()
