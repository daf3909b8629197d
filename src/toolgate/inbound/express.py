"""Calls that have nothing to wait for but their server are answered without a task.

A client that calls the same tool again sends the same head again. What became of the first one (who calls, what is
called, over which way) is kept with the head as its `_Plan`, and only what differs from call to call is looked at: the
arguments, the limits, the trace. The stages are those of the long road, asked one by one.

Whatever is out of the ordinary takes the long road: before it is sent, as if it had not been looked at here; afterwards
with what was `Sent`. So nothing is refused, explained, streamed or timed out here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter, time
from typing import Final, Literal

import msgspec
from msgspec import Raw

from toolgate.catalog.refresh import Catalog
from toolgate.catalog.snapshot import Snapshot, View
from toolgate.errors import CannotAsk, ToolgateError
from toolgate.http.request import Head, Request
from toolgate.inbound.channel import DirectChannel
from toolgate.inbound.exchange import Exchange
from toolgate.inbound.modern import read_meta, said
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind
from toolgate.observe.logs import request_id
from toolgate.observe.tracing import UNTRACED, Tracer
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stages.authorize import Authorize
from toolgate.pipeline.stages.cache import Cache
from toolgate.pipeline.stages.limit import Limit
from toolgate.pipeline.stages.record import Record, outcome_of
from toolgate.pipeline.stages.validate import check_of
from toolgate.policy.arguments import ArgumentCheck
from toolgate.protocol.envelope import Fields, dump, response
from toolgate.protocol.eras import MODERN_VERSIONS, Era
from toolgate.upstream.pool import Pool
from toolgate.upstream.sent import Sent, Way

__all__ = ["Express", "Finish"]

log = logging.getLogger(__name__)

Finish = Callable[[Exchange, DirectChannel], Awaitable[None]]
"""The long road of a request that was read."""

_TOOL: Final = "tools/call"
_MARK: Final = b"x-mcp-header"
_MOST: Final = 64  # plans made in vain, from which on only one in as many calls tries again


class _Request(msgspec.Struct):
    jsonrpc: Literal["2.0"]
    id: Raw
    method: Literal["tools/call"]
    params: Fields


class _Nowhere:
    """The channel of a call that has no task: there is nothing that it could be told before its reply."""

    def send(self, message: bytes) -> bool:
        return False

    async def ask(self, method: str, params: bytes | None) -> Reply:
        raise CannotAsk(f"this client cannot be asked for {method}")


_NOWHERE: Final = _Nowhere()
_NO_REPLY: Final = Reply(b"")
_decode: Final = msgspec.json.Decoder(_Request).decode


class _Plan:
    """What is known of a head, and of the `_meta` that came with it."""

    __slots__ = (
        "call", "check", "meta", "name", "principal", "settings", "snapshot", "unused", "used", "view", "way",
    )  # fmt: skip

    way: Way | None
    check: ArgumentCheck | None
    view: View
    call: Call
    """One like all that will come."""
    unused: int
    """How many plans in a row, up to this one, were made in vain: what comes with this head differs each time."""

    def __init__(
        self, settings: object, snapshot: Snapshot, principal: Principal, name: bytes, meta: bytes, unused: int
    ) -> None:
        self.settings = settings
        self.snapshot = snapshot
        self.principal = principal
        self.name = name
        self.meta = meta
        self.way = None
        self.unused = unused
        self.used = False


class Express:
    """`stages` are those of the long road, which `finish` leads to."""

    def __init__(
        self,
        catalog: Catalog,
        pool: Pool,
        tracer: Tracer,
        *,
        stages: tuple[Record, Authorize, Limit, Cache],
        finish: Finish,
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._tracer = tracer
        self.record, self._authorize, self.limit, self._cache = stages
        self.finish = finish
        self._settings = object()

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
            called, meta = bytes(params["name"]), bytes(params["_meta"])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return False
        known = request.headers.plan
        plan = known if isinstance(known, _Plan) else None
        if (
            plan is None
            or plan.settings is not self._settings
            or plan.snapshot is not self._catalog.current
            or plan.principal is not principal
            or plan.meta != meta
            or plan.name != called
            or (plan.way is not None and not plan.way.is_open)
        ):
            unused = plan.unused + 1 if plan is not None and not plan.used else 0
            if plan is not None and unused > _MOST and unused % _MOST:
                plan.unused = unused
                return False
            request.headers.plan = plan = self._plan(request, principal, params, called, meta, unused)
        way = plan.way
        if way is None or len(params) != 2 + ("arguments" in params) or self.record.full:
            return False
        key = bytes(message.id)
        if not key.isdigit() and key[:1] != b'"':
            return False
        if plan.check is not None and not plan.check.fits(params.get("arguments")):
            return False
        trace = self._tracer.quiet()
        if trace is None or not way.reserve():
            return False
        like = plan.call
        call = Call(
            name, principal, _TOOL, params, like.meta, Era.MODERN, like.version, like.route, plan.snapshot, _NOWHERE,
            like.timeout, None, like.capabilities, len(body), trace, True,
        )  # fmt: skip
        if not self.limit.enter(call):
            way.release()
            return False
        plan.used = True
        _Ride(call, way, key, request, plan, self).go()
        return True

    def _plan(
        self, request: Request, principal: Principal, params: Fields, called: bytes, meta: bytes, unused: int
    ) -> _Plan:
        snapshot = self._catalog.current
        plan = _Plan(self._settings, snapshot, principal, called, meta, unused)
        endpoint, heard = request.path, said(request.headers)
        fields, envelope = read_meta(params["_meta"])
        whole = snapshot.views.get(endpoint)
        if (
            whole is None
            or envelope is None
            or request.method != "POST"
            or not heard.speaks
            or heard.method != _TOOL
            or heard.version != envelope.version
            or envelope.version not in MODERN_VERSIONS
            or envelope.log_level is not None
            or heard.name is None
            or dump(heard.name) != called
            or (route := whole.of(Kind.TOOLS).route(heard.name)) is None
            or _MARK in route.raw
            or not self._cache.passes(route)
        ):
            return plan
        view = self._catalog.permissions.view(snapshot, endpoint, principal)
        if len(view.servers) > 1 and b"tasks" in envelope.capabilities:
            return plan
        try:
            self._authorize.check(principal, _TOOL, route)
        except ToolgateError:
            return plan
        timeout, _ = self._pool.reach(route)
        plan.call = Call(
            "", principal, _TOOL, params, fields, Era.MODERN, envelope.version, route, snapshot,
            _NOWHERE, timeout, None, envelope.capabilities, 0, UNTRACED, True,
        )  # fmt: skip
        plan.view = view
        plan.check = check_of(route)
        plan.way = self._pool.way(plan.call)
        return plan


class _Ride(Sent):
    """One call on its way, and the request that it answers."""

    __slots__ = ("_express", "_id", "_plan", "_request")

    def __init__(self, call: Call, way: Way, key: bytes, request: Request, plan: _Plan, express: Express) -> None:
        super().__init__(call, way, time(), perf_counter())
        self._id = key
        self._request = request
        self._plan = plan
        self._express = express

    def go(self) -> None:
        request = self._request
        request.on_gone = self.leave
        request.on_task = request.on_silence = self._take_the_long_road
        self.way.send(self)

    def ended(self) -> None:
        call = self.call
        request_id.set(call.id)
        if isinstance(self.failure, asyncio.CancelledError):
            self.way.drop(self)
            self._leave(_NO_REPLY, "cancelled")
            return
        reply = self.way.reply(self) if self.failure is None else None
        if reply is None:
            self._take_the_long_road()
            return
        self.way.ended(self, self._leave(reply, outcome_of(call, reply)))
        self._request.respond(200, response(self._id, reply.payload), _head(call))

    def _leave(self, reply: Reply, outcome: str) -> float:
        """The stages that look at the end of a call. The answer is how many seconds it took."""
        seconds = perf_counter() - self.began
        self._express.limit.leave()
        self._express.record.leave(self.call, reply, self.at, seconds, outcome)
        return seconds

    def _take_the_long_road(self) -> None:
        self.way.undo(self)
        self._express.limit.leave()
        self.hand_over()
        self._request.on_gone = self._request.cancel
        self._request.serve(self._wait())

    async def _wait(self) -> None:
        call = self.call
        channel = DirectChannel(self._request, _head(call))
        exchange = Exchange(
            call.id, self._id, call.method, call.params, call.meta, call.era, call.version, call.principal,
            self._request.path, call.snapshot, self._plan.view, channel, None, call.capabilities,
            self._request.headers, call.size, None, True, call.trace, self,
        )  # fmt: skip
        try:
            await self._express.finish(exchange, channel)
        finally:
            if not self.waited_for:
                self.way.drop(self)  # it was refused: rules have changed meanwhile


def _head(call: Call) -> Head:
    return ((b"x-request-id", call.id.encode()),)
