"""HTTP+SSE, the transport of revision 2024-11-05 (Transports, HTTP with SSE): a GET opens the stream on which all goes
out, and its first event names the address that messages are POSTed to.

`/sse`, `/servers/{server}/sse` and `/virtual/{name}/sse` serve what the paths that end in `/mcp` serve. The connection
is the session: both end together, and nothing can be resumed.
"""

import asyncio
from typing import Final
from urllib.parse import parse_qs, quote

from msgspec import UNSET

from toolgate.catalog.refresh import Catalog
from toolgate.errors import Draining, InvalidRequest, NotAcceptable, NotFound, SessionUnknown, ToolgateError
from toolgate.http.headers import Headers, media_type
from toolgate.http.request import Head, Request
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import refusal
from toolgate.inbound.asking_channel import AskingChannel
from toolgate.inbound.batches import is_batch, split
from toolgate.inbound.elsewhere import ALONE, Place, marked
from toolgate.inbound.in_session import InSession
from toolgate.inbound.legacy import Legacy
from toolgate.inbound.received import Received
from toolgate.inbound.sessions import Sessions
from toolgate.inbound.sse_connection import Outbox, SseConnection
from toolgate.inbound.wire import EventStream, refuse
from toolgate.model.principal import Principal
from toolgate.protocol.envelope import Message, parse, response
from toolgate.protocol.eras import Era

__all__ = ["HttpSse"]

_MESSAGES: Final = "/message"  # what the path of the second address has more than the first
_SESSION: Final = "session"
_MOST: Final = 5_000  # streams
_UNDER_WAY: Final = 256  # requests of one session: a POST is answered at once, so nothing else holds them back


class HttpSse:
    """One caller's request to one of the two addresses."""

    def __init__(
        self,
        catalog: Catalog,
        sessions: Sessions,
        legacy: Legacy,
        in_session: InSession,
        announcer: Announcer,
        place: Place = ALONE,
    ) -> None:
        self._place = place
        self._catalog = catalog
        self._sessions = sessions
        self._legacy = legacy
        self._in_session = in_session
        self._announcer = announcer
        self._connections: dict[str, SseConnection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    @staticmethod
    def serves(path: str) -> bool:
        return path.removesuffix(_MESSAGES).endswith("/sse")

    async def __call__(self, request: Request, principal: Principal, request_id: str) -> None:
        head = ((b"x-request-id", request_id.encode()),)
        path = request.path
        door = path.removesuffix(_MESSAGES)
        endpoint = door.removesuffix("sse") + "mcp"
        expected = "GET" if door == path else "POST"
        try:
            if endpoint not in self._catalog.current.views:
                raise NotFound(f"there is no endpoint {path}", hint="GET /api/v1/servers lists the servers")
            if request.method != expected:
                request.respond(405, head=(*head, (b"allow", expected.encode())))
            elif expected == "GET":
                await self._open(SseConnection(endpoint, principal), door, request, head)
            else:
                connection = self._connection(request.query, endpoint, principal)
                _check_media(request.headers)
                self._take(connection, request.body, request_id)
                request.respond(202, head=head)
        except ToolgateError as error:
            refuse(request, error, None, head)

    # The stream.

    async def _open(self, connection: SseConnection, door: str, request: Request, head: Head) -> None:
        if len(self._connections) >= _MOST:
            raise Draining("too many streams are open", hint="close some or try again later")
        outbox = connection.outbox
        outbox.id = self._place.mark + outbox.id
        request.on_gone, request.on_silence = outbox.wake, outbox.break_silence
        drained = asyncio.create_task(self._announcer.draining.wait())
        drained.add_done_callback(outbox.wake)
        self._connections[outbox.id] = connection
        events = EventStream(request, head)
        try:
            await events.event("endpoint", f"{quote(door)}{_MESSAGES}?{_SESSION}={outbox.id}".encode())
            while not (request.gone or connection.over or (drained.done() and not connection.busy)):
                if not await outbox.woken():
                    events.comment()
                await _pass_on(events, outbox)
            if not request.gone:
                await _pass_on(events, outbox)
                events.end()
        finally:
            del self._connections[outbox.id]
            await connection.close(self._sessions)
            drained.cancel()

    # Messages.

    def _connection(self, query: str, endpoint: str, principal: Principal) -> SseConnection:
        named = parse_qs(query).get(_SESSION, [])
        connection = self._connections.get(named[0]) if len(named) == 1 else None
        if connection is None and len(named) == 1:
            self._place.check(marked(named[0])[0])
        if connection is None or not connection.belongs(endpoint, principal):
            raise SessionUnknown("this session has ended or never was", hint="open the event stream again")
        if connection.session is not None:
            self._sessions.find(connection.session.token, endpoint, principal)  # it is in use
        return connection

    def _take(self, connection: SseConnection, body: bytes, request_id: str) -> None:
        """Raises `ProtocolError` for what cannot be read; all other errors are answers on the stream."""
        version = connection.session.version if connection.session is not None else "before initialize"
        messages = [parse(raw) for raw in (split(body, version) if is_batch(body) else [body])]
        for message in messages:
            if message.method is not UNSET and message.key is not None:
                self._request(connection, message, message.key, request_id)
            elif connection.session is not None:
                self._in_session.take(connection.session, message)
                if message.method == "notifications/initialized":
                    connection.announce(self._announcer)

    def _request(self, connection: SseConnection, message: Message, key: bytes, request_id: str) -> None:
        try:
            snapshot = self._catalog.current
            view = self._catalog.view(snapshot, connection.endpoint, connection.principal)
            received = Received(connection.endpoint, connection.principal, snapshot, view, request_id, message)
            self._begin(connection, received, key)
        except ToolgateError as error:
            connection.say(refusal(error, key, Era.LEGACY).body)

    def _begin(self, connection: SseConnection, received: Received, key: bytes) -> None:
        session = connection.session
        if received.method == "initialize":
            if session is not None:
                raise InvalidRequest("this connection is initialized already", hint="open another one")
            outcome, connection.session = self._legacy.initialize(
                key,
                received.params,
                view=received.view,
                endpoint=connection.endpoint,
                principal=connection.principal,
            )
            connection.say(outcome.body)
        elif session is None and received.method == "ping":
            connection.say(response(key, b"{}"))
        elif session is None:
            raise InvalidRequest("this connection is not initialized", hint="send initialize first")
        elif len(session.in_flight) >= _UNDER_WAY:
            raise InvalidRequest(f"{_UNDER_WAY} requests of this session are under way", hint="wait for some to end")
        else:
            channel = AskingChannel(connection.outbox.send, session.questions)
            task = self._in_session.start(session, key, received, channel)
            task.add_done_callback(connection.answered)


async def _pass_on(events: EventStream, outbox: Outbox) -> None:
    for message in outbox.taken():
        await events.message(message)


def _check_media(headers: Headers) -> None:
    if media_type(headers.get(b"content-type")) != "application/json":
        raise NotAcceptable("Content-Type must be application/json")
