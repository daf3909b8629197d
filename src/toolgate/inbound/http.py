"""Streamable HTTP in both eras on one endpoint.

The order of checks is that of revision 2026-07-28 (Streamable HTTP, Sending Messages and Server Validation): method,
`Accept`, one message, `_meta`, headers against body, version. `Host`, `Origin` and the caller were looked at before.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from msgspec import UNSET

from toolgate.catalog.refresh import Catalog
from toolgate.errors import HeaderMismatch, InvalidRequest, NotAcceptable, NotFound, SessionUnknown, ToolgateError
from toolgate.http.headers import Headers, media_type
from toolgate.http.request import Head, Request
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import Answers
from toolgate.inbound.batches import Batch, is_batch, split
from toolgate.inbound.channel import DirectChannel
from toolgate.inbound.exchange import Exchange
from toolgate.inbound.in_session import InSession
from toolgate.inbound.legacy import Legacy
from toolgate.inbound.modern import accepted, check_headers, is_modern, read_envelope, said, unspoken
from toolgate.inbound.received import Received
from toolgate.inbound.session_channel import SessionChannel
from toolgate.inbound.sessions import Session, Sessions
from toolgate.inbound.updates import Updates
from toolgate.inbound.wire import refuse
from toolgate.model.principal import Principal
from toolgate.protocol.envelope import NOTHING, Message, parse
from toolgate.protocol.eras import LEGACY_VERSIONS, MODERN_VERSIONS, Era

__all__ = ["StreamableHttp"]

_SESSION: Final = b"mcp-session-id"
_VERSION: Final = b"mcp-protocol-version"
_LAST_EVENT: Final = b"last-event-id"
_ALLOW: Final = ((b"allow", b"POST, GET, DELETE"),)


class StreamableHttp:
    """One caller's request to one endpoint."""

    def __init__(
        self,
        catalog: Catalog,
        answers: Answers,
        sessions: Sessions,
        announcer: Announcer,
        updates: Updates,
    ) -> None:
        self._catalog = catalog
        self._view = catalog.permissions.view
        self._answers = answers
        self._sessions = sessions
        self.legacy = Legacy(sessions, announcer)
        self.in_session = InSession(self.legacy, answers, updates)
        answers.methods[Era.MODERN]["subscriptions/listen"] = announcer.listen

    async def __call__(self, request: Request, principal: Principal, request_id: str) -> None:
        head = ((b"x-request-id", request_id.encode()),)
        endpoint = request.path
        snapshot = self._catalog.current
        key: bytes | None = None
        try:
            if endpoint not in snapshot.views:
                raise NotFound(f"there is no endpoint {endpoint}", hint="GET /api/v1/servers lists the servers")
            view = self._view(snapshot, endpoint, principal)
            if request.method == "POST":
                if not said(request.headers).speaks:
                    raise _not_acceptable(request.headers)
                if is_batch(request.body):
                    received = partial(Received, endpoint, principal, snapshot, view, request_id)
                    session = self._session_of_batch(request.headers, endpoint, principal)
                    await self._post_batch(request, session, received, head)
                    return
                message = parse(request.body)
                key = message.key
                size, headers = len(request.body), request.headers
                context = Received(endpoint, principal, snapshot, view, request_id, message, size, headers)
                if is_modern(message.method, context.meta, request.headers):
                    channel = DirectChannel(request, head)
                    exchange = self._modern(message, context, request, channel)
                    if exchange is not None:
                        await self.answer(exchange, channel)
                else:
                    await self._post_legacy(message, context, request)
            else:
                await self._bodiless(request, principal, head)
        except ToolgateError as error:
            refuse(request, error, key, head)

    async def answer(self, exchange: Exchange, channel: DirectChannel) -> None:
        """Answer a modern request that was read."""
        outcome = await self._answers.answer(exchange)
        if outcome.flow is None:
            channel.close(outcome.status, outcome.body)
        else:
            await channel.pour(outcome.body, outcome.flow)

    def resume(
        self, session: Session, exchange: Exchange, channel: SessionChannel, request: Request, head: Head
    ) -> Awaitable[None]:
        """The same for a request of a legacy session, whose work is begun at once."""
        work = self.legacy.run(session, exchange.key, self._answers.answer(exchange))
        return self.legacy.answer(session, channel, work, request, head)

    async def _bodiless(self, request: Request, principal: Principal, head: Head) -> None:
        if request.method == "GET":
            await self._get(request, principal, head)
        elif request.method == "DELETE":
            self._sessions.end(self._session(request.headers, request.path, principal))
            request.respond(204, head=head)
        else:
            request.respond(405, head=(*head, *_ALLOW))

    # The modern era

    def _modern(self, message: Message, context: Received, request: Request, channel: DirectChannel) -> Exchange | None:
        """What has to be answered; None for what needs no answer."""
        if message.method is UNSET:
            raise InvalidRequest("a client sends requests and notifications, not responses")
        if message.key is None:
            # No notification is defined for this transport; one is accepted and has no effect.
            request.respond(202, head=context.head)
            return None
        envelope = context.envelope or read_envelope(context.meta)
        target = check_headers(message.method, context.params, envelope.version, request.headers)
        if envelope.version not in MODERN_VERSIONS:
            raise unspoken(envelope.version)
        # 2026-07-28, Streamable HTTP, Cancellation: a closed response stream is the cancellation.
        request.on_gone = request.cancel
        return context.exchange(
            message.key,
            Era.MODERN,
            envelope.version,
            envelope.log_level,
            envelope.capabilities,
            channel,
            target,
            flows=True,
        )

    # The legacy era

    async def _post_legacy(self, message: Message, context: Received, request: Request) -> None:
        if message.method == "initialize":
            self._initialize(message, context, request)
            return
        session = self._session(request.headers, context.endpoint, context.principal)
        if message.method is UNSET or message.key is None:
            self.in_session.take(session, message)
            request.respond(202, head=context.head)
            return
        channel = session.call(message.key)
        work = self.in_session.start(session, message.key, context, channel)
        await self.legacy.answer(session, channel, work, request, context.head)

    async def _post_batch(
        self, request: Request, session: Session, received: Callable[[Message], Received], head: Head
    ) -> None:
        channel = session.call(None)
        work = Batch(session, self.in_session, received, channel).start(split(request.body, session.version))
        if work is None:
            request.respond(202, head=head)
        else:
            await self.legacy.answer(session, channel, work, request, head)

    def _session_of_batch(self, headers: Headers, endpoint: str, principal: Principal) -> Session:
        if is_modern(UNSET, NOTHING, headers):
            raise InvalidRequest("this revision of MCP has no batches", hint="send each message alone")
        return self._session(headers, endpoint, principal)

    def _initialize(self, message: Message, context: Received, request: Request) -> None:
        if message.key is None:
            raise InvalidRequest("initialize is a request: it needs an id")
        outcome, session = self.legacy.initialize(
            message.key,
            context.params,
            view=context.view,
            endpoint=context.endpoint,
            principal=context.principal,
        )
        request.respond(outcome.status, outcome.body, (*context.head, (_SESSION, session.token.encode())))

    async def _get(self, request: Request, principal: Principal, head: Head) -> None:
        headers = request.headers
        if _SESSION not in headers:
            request.respond(405, head=(*head, *_ALLOW))
            return
        if not accepted(headers.all(b"accept"), b"text/event-stream"):
            raise NotAcceptable("Accept must list text/event-stream")
        session = self._session(headers, request.path, principal)
        await self.legacy.stream(session, headers.text(_LAST_EVENT), request, head)

    def _session(self, headers: Headers, endpoint: str, principal: Principal) -> Session:
        """The session that the headers name; one that is unknown is a 404, after which a client initializes again."""
        named = headers.all(_SESSION)
        if len(named) != 1:
            raise InvalidRequest(
                "this request belongs to no session",
                hint="send initialize first, then Mcp-Session-Id with every request; "
                "or speak 2026-07-28, which needs none",
            )
        version = headers.text(_VERSION)
        if version and version not in LEGACY_VERSIONS:
            raise HeaderMismatch(f"a session has a legacy revision, not {version}")
        session = self._sessions.find(named[0].decode("latin-1"), endpoint, principal)
        if session is None:
            raise SessionUnknown("this session has ended or never was", hint="send initialize again")
        return session


def _not_acceptable(headers: Headers) -> NotAcceptable:
    if media_type(headers.get(b"content-type")) != "application/json":
        return NotAcceptable("Content-Type must be application/json")
    return NotAcceptable("Accept must list both application/json and text/event-stream")
