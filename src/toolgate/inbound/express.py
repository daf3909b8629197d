"""Calls that have nothing to wait for but their server are answered without a task.

A client sends the same head again and again. What became of the first call of a tool with it (who calls, what is
called, over which way) is kept with the head as a `_Plan`, and only what differs from call to call is looked at: the
arguments, the limits, the trace. The stages are those of the long road, asked one by one.

Whatever is out of the ordinary takes the long road: before it is sent, as if it had not been looked at here; afterwards
with what was `Sent`. So nothing is refused, explained, streamed or timed out here.
"""

import asyncio
from collections.abc import Awaitable
from time import perf_counter, time
from typing import Final, Literal
from weakref import WeakSet

import msgspec
from msgspec import Raw

from toolgate.catalog.refresh import Catalog
from toolgate.catalog.snapshot import Snapshot, View
from toolgate.errors import ToolgateError
from toolgate.http.request import Head, Request
from toolgate.inbound.channel import DirectChannel, QueueChannel
from toolgate.inbound.elsewhere import Elsewhere
from toolgate.inbound.exchange import Exchange
from toolgate.inbound.http import StreamableHttp
from toolgate.inbound.modern import is_modern, read_meta, said
from toolgate.inbound.sessions import Session, Sessions
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind
from toolgate.observe.logs import request_id
from toolgate.observe.traceparent import STATE, TRACEPARENT
from toolgate.observe.tracing import UNTRACED, Tracer
from toolgate.pipeline.call import Call, Channel, Reply
from toolgate.pipeline.stages.authorize import Authorize
from toolgate.pipeline.stages.cache import Cache
from toolgate.pipeline.stages.limit import Limit
from toolgate.pipeline.stages.record import Record, outcome_of
from toolgate.pipeline.stages.validate import check_of
from toolgate.policy.arguments import ArgumentCheck
from toolgate.protocol.envelope import NOTHING, Fields, dump, response
from toolgate.protocol.eras import LEGACY_VERSIONS, MODERN_VERSIONS, Era
from toolgate.upstream.pool import Pool
from toolgate.upstream.sent import Sent, Way

__all__ = ["Express"]

_TOOL: Final = "tools/call"
_SESSION: Final = b"mcp-session-id"
_VERSION: Final = b"mcp-protocol-version"
_MARK: Final = b"x-mcp-header"
_LONG: Final = 4_096  # bytes of a name and a `_meta` from which on they are not kept
_MOST: Final = 64  # plans of one head
_MOST_OF_ALL: Final = 4_096
_VAIN: Final = 64  # plans made in vain, from which on only one in as many calls tries again
_NO_REPLY: Final = Reply(b"")


class _Request(msgspec.Struct):
    jsonrpc: Literal["2.0"]
    id: Raw
    method: Literal["tools/call"]
    params: Fields


_decode: Final = msgspec.json.Decoder(_Request).decode


class _Caller(msgspec.Struct, frozen=True):
    """What a client says of itself, in the words of its era."""

    era: Era
    version: str
    capabilities: bytes
    session: Session | None = None


class _Plan:
    """What becomes of a call of one tool."""

    __slots__ = ("check", "like", "view", "way")

    def __init__(self, like: Call, view: View, check: ArgumentCheck | None, way: Way) -> None:
        """All calls are `like` one, but for their arguments."""
        self.like = like
        self.view = view
        self.check = check
        self.way = way


class _Plans:
    """What is known of a head: a plan for each name and `_meta` that came with it.

    `vain` counts those that were made since one was last used: what comes with this head may differ each time.
    """

    __slots__ = ("__weakref__", "known", "principal", "session", "settings", "snapshot", "token", "vain")

    def __init__(self, settings: object, snapshot: Snapshot, principal: Principal) -> None:
        self.settings = settings
        self.snapshot: Snapshot | None = snapshot
        self.principal = principal
        self.known: dict[tuple[bytes, bytes], _Plan] = {}
        self.vain = 0
        self.session: Session | None = None
        self.token = ""

    def clear(self) -> None:
        """Hold on to nothing."""
        self.snapshot = self.session = None
        self.known.clear()


class Express:
    """`stages` are those of the long road, which `mcp` leads to."""

    def __init__(
        self,
        catalog: Catalog,
        pool: Pool,
        tracer: Tracer,
        sessions: Sessions,
        mcp: StreamableHttp,
        *,
        stages: tuple[Record, Authorize, Limit, Cache],
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._tracer = tracer
        self._sessions = sessions
        self.mcp = mcp
        self.record, self._authorize, self.limit, self._cache = stages
        self._settings = object()
        self._snapshot = catalog.current
        self._made: WeakSet[_Plans] = WeakSet()  # with heads that may come again, or never
        self._count = 0

    def forget(self) -> None:
        """Rules have changed: nothing that was found out holds any longer."""
        self._settings = object()

    def take(self, request: Request, principal: Principal, name: str) -> bool:
        """Send a call on, if it needs no task; False leaves it to the long road, and nothing has been done."""
        body = request.body
        try:
            str(body, "utf-8")  # see `envelope.parse`
            message = _decode(body)
            params = message.params
            called, meta = bytes(params["name"]), bytes(params.get("_meta", b""))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return False
        plans = self._plans_of(request, principal)
        plan = plans.known.get((called, meta))
        if plan is None or not plan.way.is_open:
            plan = self._planned(plans, request, params, called, meta)
            if plan is None:
                return False
        key, arguments, like, session = bytes(message.id), params.get("arguments"), plan.like, plans.session
        if (
            len(params) != 1 + bool(meta) + (arguments is not None)
            or not (key.isdigit() or key[:1] == b'"')
            or (session is not None and not self._goes_on(plans, session, key))
            or (plan.check is not None and not plan.check.fits(arguments))
            or self.record.full
            or (trace := self._tracer.quiet()) is None
            or not plan.way.reserve()
        ):
            return False
        ride = _Ride(plan, key, request, session, self)
        ride.call = call = Call(
            name, principal, _TOOL, params, like.meta, like.era, like.version, like.route, like.snapshot, ride,
            like.timeout, None, like.capabilities, len(body), trace, like.flows,
        )  # fmt: skip
        if not self.limit.enter(call):
            plan.way.release()
            del ride.call
            return False
        plans.vain = 0
        ride.go()
        return True

    def _plans_of(self, request: Request, principal: Principal) -> _Plans:
        plans = request.headers.plan
        if (
            isinstance(plans, _Plans)
            and plans.snapshot is self._catalog.current
            and plans.settings is self._settings
            and plans.principal is principal
        ):
            return plans
        snapshot = self._catalog.current
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._clear()
        request.headers.plan = made = _Plans(self._settings, snapshot, principal)
        self._made.add(made)
        return made

    def _clear(self) -> None:
        for plans in tuple(self._made):
            plans.clear()
        self._made.clear()
        self._count = 0

    def _goes_on(self, plans: _Plans, session: Session, key: bytes) -> bool:
        """Whether the session is as it was, and there is no other request of that id."""
        try:
            found = self._sessions.find(plans.token, session.endpoint, plans.principal)
        except Elsewhere:
            return False
        return found is session and session.log_level is None and key not in session.in_flight

    def _planned(self, plans: _Plans, request: Request, params: Fields, called: bytes, meta: bytes) -> _Plan | None:
        """The plan for such calls; None where they take the long road."""
        if len(called) + len(meta) > _LONG:
            return None
        plans.vain += 1
        if plans.vain > _VAIN and plans.vain % _VAIN:
            return None
        if len(plans.known) >= _MOST:
            plans.known.clear()
        self._count += 1
        if self._count > _MOST_OF_ALL:
            self._clear()
        try:
            plan = self._plan(plans, request, params, called)
        except (ToolgateError, Elsewhere, msgspec.DecodeError):
            return None
        if plan is not None:
            plans.known[called, meta] = plan
        return plan

    def _plan(self, plans: _Plans, request: Request, params: Fields, called: bytes) -> _Plan | None:
        """Raises `ToolgateError` and `Elsewhere`: the long road does it again, and says so."""
        snapshot, principal, endpoint = self._snapshot, plans.principal, request.path
        fields, _ = read_meta(params.get("_meta"))
        whole = snapshot.views.get(endpoint)
        if whole is None or request.method != "POST" or not said(request.headers).speaks:
            return None
        if not fields.keys().isdisjoint({TRACEPARENT, STATE}):
            return None
        caller = self._caller(plans, request, params, called)
        route = whole.of(Kind.TOOLS).route(msgspec.json.decode(called, type=str))
        if caller is None or route is None or _MARK in route.raw or not self._cache.passes(route):
            return None
        view = self._catalog.permissions.view(snapshot, endpoint, principal)
        if len(view.servers) > 1 and b"tasks" in caller.capabilities:
            return None
        self._authorize.check(principal, _TOOL, route)
        timeout, _ = self._pool.reach(route)
        like = Call(
            "", principal, _TOOL, NOTHING, fields, caller.era, caller.version, route, snapshot,
            QueueChannel(), timeout, None, caller.capabilities, 0, UNTRACED, caller.era is Era.MODERN,
        )  # fmt: skip
        way = self._pool.way(like)
        return _Plan(like, view, check_of(route), way) if way is not None else None

    def _caller(self, plans: _Plans, request: Request, params: Fields, called: bytes) -> _Caller | None:
        heard = said(request.headers)
        fields, envelope = read_meta(params.get("_meta"))
        if is_modern(_TOOL, fields, request.headers):
            if (
                envelope is None
                or heard.method != _TOOL
                or heard.version != envelope.version
                or envelope.version not in MODERN_VERSIONS
                or envelope.log_level is not None
                or heard.name is None
                or dump(heard.name) != called
            ):
                return None
            return _Caller(Era.MODERN, envelope.version, envelope.capabilities)
        named, version = request.headers.all(_SESSION), request.headers.text(_VERSION)
        if len(named) != 1 or (version and version not in LEGACY_VERSIONS):
            return None
        plans.token = named[0].decode("latin-1")
        plans.session = session = self._sessions.find(plans.token, request.path, plans.principal)
        if session is None:
            return None
        return _Caller(Era.LEGACY, session.version, session.capabilities, session)


class _Ride(Sent):
    """One call on its way, and the request that it answers. Implements `pipeline.call.Channel`: whatever the server has
    to say before its reply makes it take the long road."""

    __slots__ = ("_channel", "_express", "_key", "_plan", "_request", "_session")

    def __init__(self, plan: _Plan, key: bytes, request: Request, session: Session | None, express: Express) -> None:
        super().__init__(plan.way, time(), perf_counter())
        self._key = key
        self._request = request
        self._plan = plan
        self._session = session
        self._express = express
        self._channel: Channel | None = None

    def go(self) -> None:
        request = self._request
        request.on_gone = self.leave
        request.on_task = request.on_silence = self._take_the_long_road
        if self._session is not None:
            self._session.in_flight[self._key] = self
        self.way.send(self)

    def ended(self) -> None:
        call = self.call
        request_id.set(call.id)
        if isinstance(self.failure, asyncio.CancelledError):
            self.way.drop(self)
            self._leave(_NO_REPLY, "cancelled")
            return
        reply = self.way.reply(self) if self.result is not None else None
        if reply is None:
            self._take_the_long_road()
            return
        self.way.ended(self, self._leave(reply, outcome_of(call, reply)))
        self._request.respond(200, response(self._key, reply.payload), _head(call))

    def cancel(self) -> None:
        """By the client of a legacy session, or by the session's end."""
        self._take_the_long_road()
        if self._session is not None:
            work = self._session.in_flight[self._key]
            asyncio.get_running_loop().call_soon(work.cancel)  # once it has begun, so that it is on record

    # pipeline.call.Channel

    def send(self, message: bytes) -> bool:
        return self._take_the_long_road().send(message)

    async def ask(self, method: str, params: bytes | None) -> Reply:
        return await self._take_the_long_road().ask(method, params)

    def _leave(self, reply: Reply, outcome: str) -> float:
        """The stages that look at the end of a call. The answer is how many seconds it took."""
        seconds = perf_counter() - self.began
        if self._session is not None:
            self._session.in_flight.pop(self._key, None)
        self._express.limit.leave()
        self._express.record.leave(self.call, reply, self.at, seconds, outcome)
        del self.call  # which leads back here
        return seconds

    def _take_the_long_road(self) -> Channel:
        """The answer is the way back to the client from now on."""
        if self._channel is not None:
            return self._channel
        request, session, call, mcp = self._request, self._session, self.call, self._express.mcp
        self.way.undo(self)
        self._express.limit.leave()
        self.hand_over()
        request.on_gone = None
        if session is None:
            direct = DirectChannel(request, _head(call))
            self._channel = direct
            request.serve(self._until(mcp.answer(self._exchange(direct), direct)))
        else:
            session.in_flight.pop(self._key, None)
            stream = session.call(self._key)
            self._channel = stream
            request.serve(self._until(mcp.resume(session, self._exchange(stream), stream, request, _head(call))))
        return self._channel

    def _exchange(self, channel: Channel) -> Exchange:
        call, request = self.call, self._request
        return Exchange(
            call.id, self._key, call.method, call.params, call.meta, call.era, call.version, call.principal,
            request.path, call.snapshot, self._plan.view, channel, None, call.capabilities, request.headers, call.size,
            None, call.flows, call.trace, self,
        )  # fmt: skip

    async def _until(self, answered: Awaitable[None]) -> None:
        request_id.set(self.call.id)
        self._request.on_gone = self._request.cancel
        if self._request.gone:
            self._request.cancel()  # at the first wait: what has not begun leaves no record
        try:
            await answered
        finally:
            if not self.waited_for:
                self.way.abandon(self)  # it was refused: rules have changed meanwhile


def _head(call: Call) -> Head:
    return ((b"x-request-id", call.id.encode()),)
