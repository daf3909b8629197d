"""One request that a client made, in whichever era and over whichever transport it came."""

import msgspec

from toolgate.catalog.snapshot import Snapshot, View
from toolgate.http.headers import NO_HEADERS, Headers
from toolgate.model.principal import Principal
from toolgate.observe.tracing import Context
from toolgate.pipeline.call import Channel, Flow, Sent
from toolgate.protocol.envelope import Fields
from toolgate.protocol.eras import Era

__all__ = ["Exchange", "Outcome"]


class Exchange(msgspec.Struct, frozen=True):
    """`id` names the request in logs and in `X-Request-Id`; `key` is the JSON-RPC id as it stood on the wire.
    `headers` are HTTP's, where it came over that; `size` is the request's in bytes; `target` is the name or
    URI in `params`, where it has been read already; so is `trace`. `sent`: see `Call`."""

    id: str
    key: bytes
    method: str
    params: Fields
    meta: Fields
    era: Era
    version: str
    principal: Principal
    endpoint: str
    snapshot: Snapshot
    view: View
    channel: Channel
    log_level: str | None
    capabilities: bytes
    headers: Headers = NO_HEADERS
    size: int = 0
    target: str | None = None
    flows: bool = False
    trace: Context | None = None
    sent: Sent | None = None

    @property
    def whole(self) -> View:
        """The endpoint with what this caller may not call, too: who calls that is told why it is refused."""
        return self.snapshot.views[self.endpoint]


class Outcome(msgspec.Struct, frozen=True):
    """The whole JSON-RPC response, and the HTTP status that goes with it where the stream has not begun. `apart` are
    the messages of which a batch's body is made, as they go on a stream. What a `flow` gives follows the body."""

    body: bytes
    status: int = 200
    apart: tuple[bytes, ...] | None = None
    flow: Flow | None = None
