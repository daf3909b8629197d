"""Streamable HTTP in both eras on one endpoint.

The order of checks is that of revision 2026-07-28 (Streamable HTTP, Sending Messages and Server Validation): method,
`Accept`, one message, `_meta`, headers against body, version. `Host`, `Origin` and the caller were looked at before.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec import UNSET

from toolgate.catalog.refresh import Catalog
from toolgate.errors import HeaderMismatch, InvalidRequest, NotAcceptable, NotFound, SessionUnknown, ToolgateError
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import Answers, text
from toolgate.inbound.batches import Batch, is_batch, split
from toolgate.inbound.channel import QueueChannel
from toolgate.inbound.deliver import deliver
from toolgate.inbound.in_session import InSession
from toolgate.inbound.legacy import Legacy
from toolgate.inbound.modern import Headers, check_headers, check_version, is_modern, read_envelope
from toolgate.inbound.param_headers import check_param_headers
from toolgate.inbound.received import Received
from toolgate.inbound.sessions import Session, Sessions
from toolgate.inbound.updates import Updates
from toolgate.inbound.wire import Head, Receive, Scope, Send, plain, read_body, refuse, respond
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind
from toolgate.protocol.envelope import NOTHING, Message, parse
from toolgate.protocol.eras import LEGACY_VERSIONS, Era

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
        request_bytes: int,
    ) -> None:
        self._catalog = catalog
        self._answers = answers
        self._sessions = sessions
        self.legacy = Legacy(sessions, announcer)
        self.in_session = InSession(self.legacy, answers, updates)
        self._limit = request_bytes
        answers.methods[Era.MODERN]["subscriptions/listen"] = announcer.listen

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, endpoint: str, principal: Principal, request_id: str
    ) -> None:
        head = ((b"x-request-id", request_id.encode()),)
        snapshot = self._catalog.current
        key: bytes | None = None
        try:
            if endpoint not in snapshot.views:
                raise NotFound(f"there is no endpoint {endpoint}", hint="GET /api/v1/servers lists the servers")
            method = scope["method"]
            if method == "GET":
                await self._get(scope, receive, send, endpoint, principal, head)
            elif method == "DELETE":
                self._sessions.end(self._session(scope["headers"], endpoint, principal))
                await plain(send, 204, head)
            elif method == "POST":
                _check_media(scope["headers"])
                body = await read_body(scope, receive, self._limit)
                if is_batch(body):
                    received = partial(Received, endpoint, principal, snapshot, request_id)
                    session = self._session_of_batch(scope["headers"], endpoint, principal)
                    await self._post_batch(body, session, received, receive, send, head)
                    return
                message = parse(body)
                key = message.key
                context = Received(endpoint, principal, snapshot, request_id, message)
                post = self._modern if is_modern(message.method, context.meta, scope["headers"]) else self._post_legacy
                await post(message, scope["headers"], context, receive, send)
            else:
                await plain(send, 405, (*head, *_ALLOW))
        except ToolgateError as error:
            await refuse(send, error, key, head)

    # The modern era

    async def _modern(
        self, message: Message, headers: Headers, context: Received, receive: Receive, send: Send
    ) -> None:
        if message.method is UNSET:
            raise InvalidRequest("a client sends requests and notifications, not responses")
        if message.key is None:
            # No notification is defined for this transport; one is accepted and has no effect.
            await plain(send, 202, context.head)
            return
        envelope = read_envelope(context.meta)
        check_headers(message.method, context.params, envelope.version, headers)
        check_version(envelope.version)
        if message.method == "tools/call":
            route = context.snapshot.views[context.endpoint].of(Kind.TOOLS).route(text(context.params, "name"))
            if route is not None:
                check_param_headers(route.raw, context.params.get("arguments"), headers)
        channel = QueueChannel()
        exchange = context.exchange(
            message.key, Era.MODERN, envelope.version, envelope.log_level, envelope.capabilities, channel
        )
        await deliver(asyncio.create_task(self._answers.answer(exchange)), channel, receive, send, context.head)

    # The legacy era

    async def _post_legacy(
        self, message: Message, headers: Headers, context: Received, receive: Receive, send: Send
    ) -> None:
        if message.method == "initialize":
            await self._initialize(message, context, send)
            return
        session = self._session(headers, context.endpoint, context.principal)
        if message.method is UNSET or message.key is None:
            self.in_session.take(session, message)
            await plain(send, 202, context.head)
            return
        channel = session.call(message.key)
        work = self.in_session.start(session, message.key, context, channel)
        await self.legacy.answer(session, channel, work, receive, send, context.head)

    async def _post_batch(
        self,
        body: bytes,
        session: Session,
        received: Callable[[Message], Received],
        receive: Receive,
        send: Send,
        head: Head,
    ) -> None:
        channel = session.call(None)
        work = Batch(session, self.in_session, received, channel).start(split(body, session.version))
        if work is None:
            await plain(send, 202, head)
        else:
            await self.legacy.answer(session, channel, work, receive, send, head)

    def _session_of_batch(self, headers: Headers, endpoint: str, principal: Principal) -> Session:
        if is_modern(UNSET, NOTHING, headers):
            raise InvalidRequest("this revision of MCP has no batches", hint="send each message alone")
        return self._session(headers, endpoint, principal)

    async def _initialize(self, message: Message, context: Received, send: Send) -> None:
        if message.key is None:
            raise InvalidRequest("initialize is a request: it needs an id")
        outcome, session = self.legacy.initialize(
            message.key,
            context.params,
            view=context.snapshot.views[context.endpoint],
            endpoint=context.endpoint,
            principal=context.principal,
        )
        await respond(send, outcome.status, outcome.body, (*context.head, (_SESSION, session.token.encode())))

    async def _get(
        self, scope: Scope, receive: Receive, send: Send, endpoint: str, principal: Principal, head: Head
    ) -> None:
        if not any(name == _SESSION for name, _ in scope["headers"]):
            await plain(send, 405, (*head, *_ALLOW))
            return
        if not _accepts(scope["headers"], b"text/event-stream"):
            raise NotAcceptable("Accept must list text/event-stream")
        session = self._session(scope["headers"], endpoint, principal)
        last = next((value for name, value in scope["headers"] if name == _LAST_EVENT), b"").decode("latin-1")
        await self.legacy.stream(session, last, receive, send, head)

    def _session(self, headers: Headers, endpoint: str, principal: Principal) -> Session:
        """The session that the headers name; one that is unknown is a 404, after which a client initializes again."""
        named = [value for name, value in headers if name == _SESSION]
        if len(named) != 1:
            raise InvalidRequest(
                "this request belongs to no session",
                hint="send initialize first, then Mcp-Session-Id with every request; "
                "or speak 2026-07-28, which needs none",
            )
        version = next((value.decode("latin-1") for name, value in headers if name == _VERSION), None)
        if version is not None and version not in LEGACY_VERSIONS:
            raise HeaderMismatch(f"a session has a legacy revision, not {version}")
        session = self._sessions.find(named[0].decode("latin-1"), endpoint, principal)
        if session is None:
            raise SessionUnknown("this session has ended or never was", hint="send initialize again")
        return session


def _check_media(headers: Headers) -> None:
    content = next((value for name, value in headers if name == b"content-type"), b"")
    if content.partition(b";")[0].strip().lower() != b"application/json":
        raise NotAcceptable("Content-Type must be application/json")
    if not (_accepts(headers, b"application/json") and _accepts(headers, b"text/event-stream")):
        raise NotAcceptable("Accept must list both application/json and text/event-stream")


def _accepts(headers: Headers, media: bytes) -> bool:
    ranges = {
        part.partition(b";")[0].strip().lower()
        for name, value in headers
        if name == b"accept"
        for part in value.split(b",")
    }
    return not ranges.isdisjoint({media, media.partition(b"/")[0] + b"/*", b"*/*"})
