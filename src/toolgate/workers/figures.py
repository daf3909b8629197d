"""What each worker tells of itself when another one is asked how the gateway does."""

import msgspec

from toolgate.observe.metrics import Snapshot, Total

__all__ = ["Figures", "OfServer"]


class OfServer(msgspec.Struct, array_like=True, frozen=True):
    """Of the worker's own link to a server: calls so far, calls under way, and the usual latency in seconds."""

    calls: int
    under_way: int
    latency: float | None


class Figures(msgspec.Struct, array_like=True, frozen=True):
    snapshot: Snapshot
    totals: dict[str, Total]
    servers: dict[str, OfServer]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @staticmethod
    def read(data: bytes) -> "Figures":
        return msgspec.msgpack.decode(data, type=Figures)
