"""What a client sent, before it is known what becomes of it."""

from toolgate.catalog.snapshot import Snapshot, View
from toolgate.http.headers import NO_HEADERS, Headers
from toolgate.http.request import Head
from toolgate.inbound.exchange import Exchange
from toolgate.inbound.modern import read_meta
from toolgate.model.principal import Principal
from toolgate.pipeline.call import Channel
from toolgate.protocol.envelope import Message, fields
from toolgate.protocol.eras import Era

__all__ = ["Received"]


class Received:
    """One message, whose it is, and where it came in. Raises `InvalidParams` where its `params` are no object."""

    __slots__ = (
        "endpoint", "envelope", "head", "headers", "id", "meta", "method", "params", "principal", "size", "snapshot",
        "view",
    )  # fmt: skip

    def __init__(
        self,
        endpoint: str,
        principal: Principal,
        snapshot: Snapshot,
        view: View,
        request_id: str,
        message: Message,
        size: int = 0,
        headers: Headers = NO_HEADERS,
    ) -> None:
        self.endpoint = endpoint
        self.principal = principal
        self.size = size
        self.headers = headers
        self.snapshot = snapshot
        self.view = view
        self.id = request_id
        self.head: Head = ((b"x-request-id", request_id.encode()),)
        self.method = str(message.method)
        self.params = fields(message.params)
        self.meta, self.envelope = read_meta(self.params.get("_meta"))

    def exchange(
        self,
        key: bytes,
        era: Era,
        version: str,
        log_level: str | None,
        capabilities: bytes,
        channel: Channel,
        target: str | None = None,
        *,
        flows: bool = False,
    ) -> Exchange:
        return Exchange(
            self.id,
            key,
            self.method,
            self.params,
            self.meta,
            era,
            version,
            self.principal,
            self.endpoint,
            self.snapshot,
            self.view,
            channel,
            log_level,
            capabilities,
            self.headers,
            self.size,
            target,
            flows,
        )
