"""What a client sent, before it is known what becomes of it."""

from toolgate.catalog.snapshot import Snapshot, View
from toolgate.inbound.exchange import Exchange
from toolgate.inbound.wire import Head
from toolgate.model.principal import Principal
from toolgate.pipeline.call import Channel
from toolgate.protocol.envelope import NOTHING, Message, fields
from toolgate.protocol.eras import Era

__all__ = ["Received"]


class Received:
    """One message, whose it is, and where it came in. Raises `InvalidParams` where its `params` are no object."""

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

    @property
    def view(self) -> View:
        return self.snapshot.views[self.endpoint]

    def exchange(
        self, key: bytes, era: Era, version: str, log_level: str | None, capabilities: bytes, channel: Channel
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
