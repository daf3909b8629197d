"""A call on its way, and what comes back."""

from typing import Protocol, Self

import msgspec

from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.model.principal import Principal
from toolgate.observe.tracing import UNTRACED, Context
from toolgate.protocol.envelope import Fields
from toolgate.protocol.eras import Era

__all__ = ["Call", "Channel", "Flow", "Reply", "Sent"]


class Channel(Protocol):
    """The way back to the client for what belongs to a call and comes before its reply: progress and log messages."""

    def send(self, message: bytes) -> bool:
        """Queue one JSON-RPC notification. False when the client reads so slowly that the bounded queue is full:
        the call is then given up with `SlowClient`. Never blocks, since it is called from the loop that reads a link
        that other calls share."""
        ...

    async def ask(self, method: str, params: bytes | None) -> "Reply":
        """What the server asks of the client in the middle of the call, and the client's answer. Cancelling it tells
        the client. Raises `CannotAsk`, `SlowClient`."""
        ...


class Flow(Protocol):
    """A large result on its way, of which nobody has to see the whole. `length` is in bytes and counts all that `chunk`
    gives: the JSON of the result, and the brace that ends the response around it."""

    length: int

    async def chunk(self) -> bytes:
        """What comes next; empty at the end. Raises `ConnectionError` and `TimeoutError`."""
        ...

    def close(self) -> None:
        """What has not come yet is not wanted any more."""
        ...


class Sent(Protocol):
    """What is known of a call that went to its server before a task was made for it. `at` is when it came, in seconds
    since the epoch, and `began` the same by `time.perf_counter`."""

    at: float
    began: float


class Call(msgspec.Struct, frozen=True):
    """One routed request. Immutable; it holds the snapshot that it started with.

    `params` is the client's `params`, decoded one level, with the client's own name in it; `route.name` is what the
    server calls the thing. `meta` is `params._meta`, decoded one level. `timeout` is in seconds. `capabilities` are the
    client's, as JSON: what it did not declare is never asked of it. `size` is that of the request in bytes.
    `flows`: nobody needs to see a large result as a whole, if it is in the call's own era. `sent`: it has passed the
    stages once and is at the server already; what is left is to wait for the reply.
    """

    id: str
    principal: Principal
    method: str
    params: Fields
    meta: Fields
    era: Era
    version: str
    route: Route
    snapshot: Snapshot
    channel: Channel
    timeout: float
    log_level: str | None = None
    capabilities: bytes = b"{}"
    size: int = 0
    trace: Context = UNTRACED
    flows: bool = False
    sent: Sent | None = None

    def with_(self, **changes: object) -> Self:
        return msgspec.structs.replace(self, **changes)


class Reply(msgspec.Struct, frozen=True):
    """The JSON of a `result` or of an `error`, as bytes, in the shape of the era of the call. `cached`: the server was
    not asked for it. Where it has a `flow` the result is there, and `payload` is empty."""

    payload: bytes
    is_error: bool = False
    cached: bool = False
    flow: Flow | None = None
