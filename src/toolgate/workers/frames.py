"""What the workers of one gateway say to each other about the servers that one of them runs for all.

A call passes as it is, with its client's era, principal and capabilities, so that the bridge between eras is crossed
once, at the server's owner. The worker that asks is the *caller*, the one that runs the server is the *owner*; `number`
is the caller's, for what is asked and all that is said about it.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.errors import ServerUnavailable, ToolgateError
from toolgate.model.freshness import Freshness, Hint
from toolgate.model.principal import Principal
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.observe.tracing import Quiet
from toolgate.pipeline.call import Call, Channel
from toolgate.protocol.envelope import NOTHING, dump, fields
from toolgate.protocol.eras import Era
from toolgate.upstream.base import State, Status

__all__ = [
    "Answered", "Asked", "Cancel", "Check", "Done", "Failed", "Fault", "Frame", "Hello", "Learned", "Look", "Moved",
    "Order", "Outdated", "Ping", "Pong", "Reload", "Replied", "Said", "Sent", "Settled", "Subscribe", "Unsubscribe",
    "Updated", "Welcome", "Withdrawn", "call_of", "catalogue_of", "decode", "encode", "error_of", "fault_of",
    "learned", "moved", "sent",
]  # fmt: skip


class Fault(msgspec.Struct, array_like=True, gc=False):
    """One of our errors. `details` are JSON."""

    kind: str
    message: str
    hint: str
    details: bytes


# From the caller


class Hello(msgspec.Struct, tag=1, array_like=True, gc=False):
    """The first frame; nothing else is looked at before it."""

    password: str
    worker: int


class Sent(msgspec.Struct, tag=2, array_like=True, gc=False):
    """A call. `params` are those of `Call`, one level deep."""

    number: int
    server: str
    name: str
    id: str
    principal: tuple[str, str, tuple[str, ...]]
    method: str
    params: dict[str, bytes]
    era: str
    version: str
    timeout: float
    log_level: str | None
    capabilities: bytes
    size: int
    trace: tuple[str, str, bool]


class Cancel(msgspec.Struct, tag=3, array_like=True, gc=False):
    """The client of a call has gone, or it does not read."""

    number: int


class Answered(msgspec.Struct, tag=4, array_like=True, gc=False):
    """What the client answered to `question`; `fault` where it could not be asked."""

    number: int
    question: int
    payload: bytes
    is_error: bool
    fault: Fault | None


class Subscribe(msgspec.Struct, tag=5, array_like=True, gc=False):
    number: int
    server: str
    uri: str
    timeout: float
    more: bytes


class Unsubscribe(msgspec.Struct, tag=6, array_like=True, gc=False):
    """`number` is that of the subscription."""

    number: int


class Check(msgspec.Struct, tag=7, array_like=True, gc=False):
    """Is the server alive?"""

    number: int
    server: str


class Settled(msgspec.Struct, tag=8, array_like=True, gc=False):
    """Answered when the server is ready and was read, or has failed."""

    number: int
    server: str


class Look(msgspec.Struct, tag=9, array_like=True, gc=False):
    """Answered with the figures of the worker, in a `Replied`."""

    number: int


class Reload(msgspec.Struct, tag=10, array_like=True, gc=False):
    number: int


class Order(msgspec.Struct, tag=12, array_like=True, gc=False):
    """What `actor` wants of a server, see `model.life.Wish`. Answered when it is done."""

    number: int
    server: str
    wish: str
    actor: str


class Ping(msgspec.Struct, tag=11, array_like=True, gc=False):
    pass


# From the owner


class Welcome(msgspec.Struct, tag=20, array_like=True, gc=False):
    pass


class Replied(msgspec.Struct, tag=21, array_like=True, gc=False):
    number: int
    payload: bytes
    is_error: bool


class Failed(msgspec.Struct, tag=22, array_like=True, gc=False):
    number: int
    fault: Fault


class Done(msgspec.Struct, tag=23, array_like=True, gc=False):
    number: int


class Said(msgspec.Struct, tag=24, array_like=True, gc=False):
    """A notification for the client of a call."""

    number: int
    message: bytes


class Asked(msgspec.Struct, tag=25, array_like=True, gc=False):
    """What the server asks the client of a call."""

    number: int
    question: int
    method: str
    params: bytes | None


class Withdrawn(msgspec.Struct, tag=26, array_like=True, gc=False):
    """Nobody waits for the answer to a question any more."""

    number: int
    question: int


class Moved(msgspec.Struct, tag=27, array_like=True, gc=False):
    """What `upstream.base.Status` says of a server."""

    server: str
    state: str
    since: float
    reason: str
    hint: str
    era: str | None
    version: str
    latency: float | None
    last_error: str
    retry_at: float | None
    cause: str
    actor: str
    circuit: str


class Learned(msgspec.Struct, tag=28, array_like=True, gc=False):
    """The catalogue of a server. Capabilities and information are JSON."""

    server: str
    items: list[tuple[str, str, bytes]]
    capabilities: bytes
    server_info: bytes
    instructions: str
    more: dict[str, bytes]
    hints: dict[str, Hint]


class Outdated(msgspec.Struct, tag=31, array_like=True, gc=False):
    """A resource of the server has changed: what was kept of its answers is good no longer."""

    server: str


class Updated(msgspec.Struct, tag=29, array_like=True, gc=False):
    """`number` is that of the subscription."""

    number: int
    uri: str
    params: bytes


class Pong(msgspec.Struct, tag=30, array_like=True, gc=False):
    pass


Frame = (
    Hello | Sent | Cancel | Answered | Subscribe | Unsubscribe | Check | Settled | Look | Reload | Order | Ping
    | Welcome | Replied | Failed | Done | Said | Asked | Withdrawn | Moved | Learned | Outdated | Updated | Pong
)  # fmt: skip

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Frame)
_PREFIX: Final = 4  # bytes of length before each frame
_EMPTY: Final = Snapshot(0, {})


def encode(frame: Frame) -> bytes:
    """With its length before it."""
    body = _encoder.encode(frame)
    return len(body).to_bytes(_PREFIX, "big") + body


def decode(buffer: bytes | bytearray | memoryview) -> tuple[Frame | None, int]:
    """The first frame in the buffer, and how many bytes it has; (None, 0) where it has not come as a whole.

    Raises `msgspec.DecodeError`."""
    if len(buffer) < _PREFIX:
        return None, 0
    end = _PREFIX + int.from_bytes(buffer[:_PREFIX], "big")
    if len(buffer) < end:
        return None, 0
    frame: Frame = _decoder.decode(memoryview(buffer)[_PREFIX:end])
    return frame, end


def sent(number: int, call: Call) -> Sent:
    principal, trace = call.principal, call.trace
    return Sent(
        number,
        call.route.server,
        call.route.name,
        call.id,
        (principal.id, principal.name, principal.teams),
        call.method,
        {name: bytes(value) for name, value in call.params.items()},
        call.era.value,
        call.version,
        call.timeout,
        call.log_level,
        call.capabilities,
        call.size,
        (trace.traceparent, trace.tracestate, trace.in_meta),
    )


def call_of(frame: Sent, channel: Channel) -> Call:
    """The call as the owner passes it on. Raises `InvalidParams` as the caller has done already."""
    params = {name: Raw(value) for name, value in frame.params.items()}
    return Call(
        frame.id,
        Principal(*frame.principal),
        frame.method,
        params,
        fields(params["_meta"], "_meta") if "_meta" in params else NOTHING,
        Era(frame.era),
        frame.version,
        Route(frame.server, frame.name),
        _EMPTY,
        channel,
        frame.timeout,
        frame.log_level,
        frame.capabilities,
        frame.size,
        Quiet(*frame.trace),
    )


def moved(status: Status) -> Moved:
    era = status.era.value if status.era is not None else None
    return Moved(
        status.server.name, status.state.value, status.since, status.reason, status.hint, era, status.version,
        status.latency, status.last_error, status.retry_at, status.cause.value, status.actor, status.circuit.value,
    )  # fmt: skip


def learned(server: str, catalogue: Catalogue) -> Learned:
    return Learned(
        server,
        [(kind.value, item.name, item.raw) for kind, items in catalogue.items.items() for item in items],
        dump(catalogue.capabilities),
        dump(catalogue.server_info),
        catalogue.instructions,
        dict(catalogue.more),
        dict(catalogue.freshness.hints),
    )


def catalogue_of(frame: Learned) -> Catalogue:
    items: dict[Kind, tuple[Item, ...]] = {}
    listed: dict[Kind, list[Item]] = {}
    for kind, name, raw in frame.items:
        listed.setdefault(Kind(kind), []).append(Item(name, raw))
    items = {kind: tuple(several) for kind, several in listed.items()}
    capabilities: dict[str, Any] = msgspec.json.decode(frame.capabilities)
    server_info: dict[str, Any] = msgspec.json.decode(frame.server_info)
    freshness = Freshness(frame.hints)
    return Catalogue(items, capabilities, server_info, frame.instructions, frame.more, freshness)


def fault_of(error: ToolgateError) -> Fault:
    return Fault(type(error).__name__, error.message, error.hint, msgspec.json.encode(error.details, enc_hook=str))


def error_of(fault: Fault) -> ToolgateError:
    kind = _KINDS.get(fault.kind) or _kinds().get(fault.kind, ServerUnavailable)
    details: dict[str, Any] = msgspec.json.decode(fault.details)
    error = kind.__new__(kind)
    ToolgateError.__init__(error, fault.message, hint=fault.hint, **details)
    return error


_KINDS: dict[str, type[ToolgateError]] = {}


def _kinds() -> dict[str, type[ToolgateError]]:
    """All kinds of errors that there are, rooms' own ones too."""
    waiting: list[type[ToolgateError]] = [ToolgateError]
    while waiting:
        kind = waiting.pop()
        _KINDS[kind.__name__] = kind
        waiting += kind.__subclasses__()
    return _KINDS


STATES: Final = {state.value: state for state in State}
