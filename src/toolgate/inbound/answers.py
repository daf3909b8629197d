"""What each method is answered with: lists from the snapshot, calls from the servers behind it."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw

from toolgate.catalog.addresses import locate
from toolgate.catalog.pages import page
from toolgate.catalog.snapshot import Route, Snapshot, View
from toolgate.errors import InvalidParams, NotListed, ProtocolError, ToolgateError
from toolgate.inbound.closing import closing, legacy_closing
from toolgate.inbound.elsewhere import Elsewhere
from toolgate.inbound.exchange import Exchange, Outcome
from toolgate.inbound.extensions import may_name_task, route_of, with_task_names
from toolgate.inbound.param_headers import check_param_headers
from toolgate.inbound.parking import Parking
from toolgate.model.freshness import INTRODUCTION
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind
from toolgate.observe.tracing import Context, Tracer
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.protocol.envelope import Fields, dump, error_object, failure, fields, opening, response
from toolgate.protocol.eras import MAY_NEED_INPUT, MODERN_VERSIONS, Era
from toolgate.protocol.results import error_code

__all__ = ["Answers", "Method", "Servers", "optional_text", "refusal", "text"]

log = logging.getLogger("toolgate.inbound")

Method = Callable[[Exchange], Awaitable[Reply]]

_LISTS: Final = {kind.method: kind for kind in Kind}
_TRACEPARENT: Final = b"traceparent"  # Trace Context, section 3
_TRACESTATE: Final = b"tracestate"
_text: Final = msgspec.json.Decoder(str)

# 2026-07-28, Streamable HTTP: which HTTP status goes with which error.
_STATUS: Final = {-32700: 400, -32600: 400, -32602: 400, -32020: 400, -32021: 400, -32022: 400, -32601: 404}


class Servers(Protocol):
    """What has to be known of servers to call them."""

    def reach(self, route: Route) -> tuple[float, Era | None]:
        """Seconds that a call over this route may take, and its server's era as far as it is known."""
        ...

    def view(self, snapshot: Snapshot, endpoint: str, principal: Principal) -> View:
        """What this caller is shown there. Raises `KeyError` where there is no such endpoint."""
        ...

    async def read(self, servers: Sequence[str]) -> Snapshot | None:
        """Wait until those of them that were never read are, or have failed. None where all were read before."""
        ...


class Answers:
    """`proceed` is the pipeline."""

    def __init__(self, proceed: Proceed, servers: Servers, parking: Parking, tracer: Tracer | None = None) -> None:
        self._proceed = proceed
        self._servers = servers
        self._parking = parking
        self._tracer = tracer or Tracer()
        self._routes: Mapping[str, Callable[[Exchange], Route]] = {
            "tools/call": _tool,
            "prompts/get": _prompt,
            "resources/read": _resource,
            "completion/complete": _completion,
        }
        lists: dict[str, Method] = dict.fromkeys(_LISTS, _list)
        self.methods: Mapping[Era, dict[str, Method]] = {
            Era.MODERN: {**lists, "server/discover": _discover},
            Era.LEGACY: {**lists, "ping": _ping},
        }

    async def answer(self, exchange: Exchange) -> Outcome:
        """The response to one request. Raises `Elsewhere`, and nothing else but for cancellation."""
        try:
            if (own := self.methods[exchange.era].get(exchange.method)) is not None:
                reply = await own(exchange)
            else:
                find = self._routes.get(exchange.method, route_of)
                try:
                    route = find(exchange)
                except NotListed:
                    if (later := await self._later(exchange)) is None:
                        raise
                    exchange, route = later, find(later)
                if exchange.method == "tools/call" and exchange.era is Era.MODERN and exchange.headers:
                    check_param_headers(route.raw, exchange.params.get("arguments"), exchange.headers)
                reply = await self._reply(exchange, route)
        except ToolgateError as error:
            return refusal(error, exchange.key, exchange.era)
        except Elsewhere:
            raise
        except Exception:  # the last boundary before the client: reported whole to the log, and by its id to the client
            log.exception("request %s (%s) failed", exchange.id, exchange.method)
            internal = ToolgateError(f"the gateway failed on this request; its log has it under {exchange.id}")
            return refusal(internal, exchange.key, exchange.era)
        if not reply.is_error:
            if reply.flow is not None:
                return Outcome(opening(exchange.key), flow=reply.flow)
            return Outcome(response(exchange.key, reply.payload))
        status = _STATUS.get(error_code(reply.payload), 200) if exchange.era is Era.MODERN else 200
        return Outcome(failure(exchange.key, reply.payload), status)

    async def _later(self, exchange: Exchange) -> Exchange | None:
        """What no server lists may be offered by one that is starting for the first time, which is waited for."""
        snapshot = await self._servers.read(exchange.view.servers)
        if snapshot is None or exchange.endpoint not in snapshot.views:
            return None
        view = self._servers.view(snapshot, exchange.endpoint, exchange.principal)
        return msgspec.structs.replace(exchange, snapshot=snapshot, view=view)

    def _reply(self, exchange: Exchange, route: Route) -> Awaitable[Reply]:
        timeout, era = self._servers.reach(route)
        call = Call(
            exchange.id,
            exchange.principal,
            exchange.method,
            exchange.params,
            exchange.meta,
            exchange.era,
            exchange.version,
            route,
            exchange.snapshot,
            exchange.channel,
            timeout,
            exchange.log_level,
            exchange.capabilities,
            exchange.size,
            exchange.trace or self._trace(exchange),
            exchange.flows,
            exchange.sent,
        )
        if era is not Era.MODERN and call.era is Era.MODERN and call.method in MAY_NEED_INPUT:
            return self._parking.run(call, self._proceed)
        if len(exchange.view.servers) > 1 and may_name_task(call):
            return self._with_task_names(call, exchange.view)
        return self._proceed(call)

    def _trace(self, exchange: Exchange) -> Context:
        headers = exchange.headers
        if _TRACEPARENT not in headers:
            return self._tracer.begin(exchange.meta)
        return self._tracer.begin(exchange.meta, headers.text(_TRACEPARENT), headers.text(_TRACESTATE))

    async def _with_task_names(self, call: Call, view: View) -> Reply:
        return with_task_names(await self._proceed(call.with_(flows=False)), view, call.route.server)


def refusal(error: ToolgateError, key: bytes | None, era: Era) -> Outcome:
    """A response that carries one of our own errors. Inside a legacy session the HTTP status stays 200: its clients
    take any other for a failure of the transport."""
    status = error.http if era is Era.MODERN or not isinstance(error, ProtocolError) else 200
    return Outcome(failure(key, error_object(error)), status)


async def _list(exchange: Exchange) -> Reply:
    kind = _LISTS[exchange.method]
    cursor = optional_text(exchange.params, "cursor")
    members = page(exchange.view.of(kind), kind.value, cursor)
    if exchange.era is Era.LEGACY:
        return Reply(b"{" + members + legacy_closing(exchange.view, exchange.method))
    return Reply(b'{"resultType":"complete",' + members + b"," + closing(exchange.view, exchange.method))


async def _ping(exchange: Exchange) -> Reply:
    return Reply(b"{}")


async def _discover(exchange: Exchange) -> Reply:
    view = exchange.view
    head: dict[str, Any] = {
        "resultType": "complete",
        "supportedVersions": MODERN_VERSIONS,
        "capabilities": view.capabilities,
    }
    if view.instructions:
        head["instructions"] = view.instructions
    return Reply(dump(head)[:-1] + b"," + closing(view, INTRODUCTION))


def _tool(exchange: Exchange) -> Route:
    return _named(exchange, Kind.TOOLS, "tool")


def _prompt(exchange: Exchange) -> Route:
    return _named(exchange, Kind.PROMPTS, "prompt")


def _resource(exchange: Exchange) -> Route:
    return locate(exchange.whole, text(exchange.params, "uri"))


def _completion(exchange: Exchange) -> Route:
    reference = fields(exchange.params.get("ref", Raw(b"null")), "ref")
    if optional_text(reference, "type") == "ref/prompt":
        return _named(exchange, Kind.PROMPTS, "prompt", reference)
    uri = text(reference, "uri")
    return exchange.whole.of(Kind.TEMPLATES).route(uri) or locate(exchange.whole, uri)


def _named(exchange: Exchange, kind: Kind, noun: str, holder: Fields | None = None) -> Route:
    if holder is None:
        name = exchange.target if exchange.target is not None else text(exchange.params, "name")
    else:
        name = text(holder, "name")
    route = exchange.whole.of(kind).route(name)
    if route is None:
        raise NotListed(f"there is no {noun} {name!r} here; {noun}s/list names those that there are", name=name)
    return route


def text(holder: Fields, member: str) -> str:
    """A member that must be there and must be a string."""
    value = optional_text(holder, member)
    if value is None:
        raise InvalidParams(f"{member!r} is missing")
    return value


def optional_text(holder: Fields, member: str) -> str | None:
    raw = holder.get(member)
    if raw is None:
        return None
    try:
        return _text.decode(raw)
    except (msgspec.ValidationError, msgspec.DecodeError):
        if bytes(raw) == b"null":
            return None
        raise InvalidParams(f"{member!r} must be a string") from None
