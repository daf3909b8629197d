"""Streamable HTTP in both eras on one endpoint.

The order of checks is that of revision 2026-07-28 (Streamable HTTP, Sending Messages and Server Validation): method,
`Accept`, one message, `_meta`, headers against body, version. `Host`, `Origin` and the caller were looked at before.
"""

import asyncio
from typing import Final

from msgspec import UNSET

from toolgate.catalog.addresses import locate
from toolgate.catalog.refresh import Catalog
from toolgate.catalog.snapshot import Snapshot
from toolgate.errors import HeaderMismatch, InvalidRequest, NotAcceptable, NotFound, SessionUnknown, ToolgateError
from toolgate.inbound.announce import Announcer
from toolgate.inbound.answers import Answers, refusal, text
from toolgate.inbound.channel import QueueChannel
from toolgate.inbound.deliver import deliver
from toolgate.inbound.exchange import Exchange, Outcome
from toolgate.inbound.legacy import Legacy
from toolgate.inbound.modern import Headers, check_headers, check_version, is_modern, read_envelope
from toolgate.inbound.param_headers import check_param_headers
from toolgate.inbound.session_channel import SessionChannel
from toolgate.inbound.sessions import Session, Sessions
from toolgate.inbound.updates import Updates
from toolgate.inbound.wire import Head, Receive, Scope, Send, plain, read_body, refuse, respond
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import NOTHING, Message, failure, fields, parse, response
from toolgate.protocol.eras import LEGACY_VERSIONS, Era

__all__ = ["StreamableHttp"]

_SESSION: Final = b"mcp-session-id"
_VERSION: Final = b"mcp-protocol-version"
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
        self._legacy = Legacy(sessions, announcer)
        self._updates = updates
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
                message = parse(await read_body(scope, receive, self._limit))
                key = message.key
                context = _Context(endpoint, principal, snapshot, request_id, message)
                post = self._modern if is_modern(message.method, context.meta, scope["headers"]) else self._post_legacy
                await post(message, scope["headers"], context, receive, send)
            else:
                await plain(send, 405, (*head, *_ALLOW))
        except ToolgateError as error:
            await refuse(send, error, key, head)

    # The modern era

    async def _modern(
        self, message: Message, headers: Headers, context: "_Context", receive: Receive, send: Send
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
        self, message: Message, headers: Headers, context: "_Context", receive: Receive, send: Send
    ) -> None:
        if message.method == "initialize":
            await self._initialize(message, context, send)
            return
        session = self._session(headers, context.endpoint, context.principal)
        if message.method is UNSET or message.key is None:
            take = self._legacy.answered if message.method is UNSET else self._legacy.notified
            take(session, message)
            await plain(send, 202, context.head)
            return
        channel = SessionChannel(session.questions)
        work = self._legacy.run(session, message.key, self._answer(message.key, session, context, channel))
        await deliver(work, channel, receive, send, context.head)

    async def _answer(self, key: bytes, session: Session, context: "_Context", channel: QueueChannel) -> Outcome:
        own = {
            "logging/setLevel": self._set_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
        }.get(context.method)
        if own is not None:
            try:
                reply = await own(session, context)
            except ToolgateError as error:
                return refusal(error, key, Era.LEGACY)
            return Outcome(failure(key, reply.payload) if reply.is_error else response(key, reply.payload))
        return await self._answers.answer(
            context.exchange(key, Era.LEGACY, session.version, session.log_level, session.capabilities, channel)
        )

    async def _set_level(self, session: Session, context: "_Context") -> Reply:
        self._legacy.set_level(session, context.params)
        return Reply(b"{}")

    async def _subscribe(self, session: Session, context: "_Context") -> Reply:
        uri = text(context.params, "uri")
        view = context.snapshot.views[context.endpoint]
        return await self._updates.subscribe(session, uri, locate(view, uri))

    async def _unsubscribe(self, session: Session, context: "_Context") -> Reply:
        return await self._updates.unsubscribe(session, text(context.params, "uri"))

    async def _initialize(self, message: Message, context: "_Context", send: Send) -> None:
        if message.key is None:
            raise InvalidRequest("initialize is a request: it needs an id")
        outcome, session = self._legacy.initialize(
            message.key,
            context.params,
            view=context.snapshot.views[context.endpoint],
            endpoint=context.endpoint,
            principal=context.principal,
        )
        await respond(send, outcome.status, outcome.body, (*context.head, (_SESSION, session.id.encode())))

    async def _get(
        self, scope: Scope, receive: Receive, send: Send, endpoint: str, principal: Principal, head: Head
    ) -> None:
        if not any(name == _SESSION for name, _ in scope["headers"]):
            await plain(send, 405, (*head, *_ALLOW))
            return
        if not _accepts(scope["headers"], b"text/event-stream"):
            raise NotAcceptable("Accept must list text/event-stream")
        await self._legacy.stream(self._session(scope["headers"], endpoint, principal), receive, send, head)

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


class _Context:
    """All that is known of a POST before its era is."""

    __slots__ = ("endpoint", "head", "id", "meta", "method", "params", "principal", "snapshot")

    def __init__(
        self, endpoint: str, principal: Principal, snapshot: Snapshot, request_id: str, message: Message
    ) -> None:
        self.endpoint = endpoint
        self.principal = principal
        self.snapshot = snapshot
        self.id = request_id
        self.head: Head = ((b"x-request-id", request_id.encode()),)
        self.method = str(message.method)
        self.params = fields(message.params)
        self.meta = fields(self.params["_meta"], "_meta") if "_meta" in self.params else NOTHING

    def exchange(
        self, key: bytes, era: Era, version: str, log_level: str | None, capabilities: bytes, channel: QueueChannel
    ) -> Exchange:
        return Exchange(
            id=self.id,
            key=key,
            method=self.method,
            params=self.params,
            meta=self.meta,
            era=era,
            version=version,
            principal=self.principal,
            endpoint=self.endpoint,
            snapshot=self.snapshot,
            channel=channel,
            log_level=log_level,
            capabilities=capabilities,
        )


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
