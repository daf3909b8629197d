"""A call on its way, and what comes back."""

from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.model.principal import Principal
from toolgate.protocol.envelope import Fields
from toolgate.protocol.eras import Era

__all__ = ["Call", "Channel", "Reply"]


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


@dataclass(frozen=True, slots=True)
class Call:
    """One routed request. Immutable; it holds the snapshot that it started with.

    `params` is the client's `params`, decoded one level, with the client's own name in it; `route.name` is what the
    server calls the thing. `meta` is `params._meta`, decoded one level. `timeout` is in seconds. `capabilities` are the
    client's, as JSON: what it did not declare is never asked of it.
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
    headers: tuple[tuple[str, str], ...] = field(default=())

    def with_(self, **changes: object) -> Self:
        return replace(self, **changes)  # type: ignore[arg-type]  # checked by replace itself


@dataclass(frozen=True, slots=True)
class Reply:
    """The JSON of a `result` or of an `error`, as bytes, in the shape of the era of the call."""

    payload: bytes
    is_error: bool = False
