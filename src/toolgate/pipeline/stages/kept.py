"""Results that are kept to be given again: so many bytes, and the least recently used go first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

import msgspec
from msgspec import Raw

from toolgate.catalog.snapshot import Route
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import dump, fields

__all__ = ["Kept", "Results", "Worth", "worth_of_read", "worth_of_tool"]

_MOST: Final = 100_000  # entries
_OVERHEAD: Final = 1_024  # bytes, about, that an entry takes besides its content
_SHARE: Final = 16  # no entry takes more than this part of all
_LONGEST: Final = 86_400.0  # seconds that a server's word is taken for
_COMPLETE: Final = "complete"


class Worth(msgspec.Struct, frozen=True, gc=False):
    """For how many seconds a result is good, and whether it is anybody's."""

    seconds: float
    public: bool = False


class _ToolResult(msgspec.Struct):
    is_error: bool = msgspec.field(name="isError", default=False)
    result_type: str = msgspec.field(name="resultType", default=_COMPLETE)


class _ReadResult(msgspec.Struct):
    ttl: float = msgspec.field(name="ttlMs", default=0.0)
    scope: str = msgspec.field(name="cacheScope", default="private")
    result_type: str = msgspec.field(name="resultType", default=_COMPLETE)


_tool_result: Final = msgspec.json.Decoder(_ToolResult)
_read_result: Final = msgspec.json.Decoder(_ReadResult)


def worth_of_tool(reply: Reply, seconds: float) -> Worth | None:
    """None for an error, a tool's own error, and what is no complete result."""
    if reply.is_error:
        return None
    try:
        result = _tool_result.decode(reply.payload)
    except msgspec.DecodeError:
        return None
    return Worth(seconds) if not result.is_error and result.result_type == _COMPLETE else None


def worth_of_read(reply: Reply) -> Worth | None:
    """As the server says (2026-07-28, Caching, Cacheable Model); None where it does not."""
    if reply.is_error or b'"ttlMs"' not in reply.payload:
        return None
    try:
        result = _read_result.decode(reply.payload)
    except msgspec.DecodeError:
        return None
    if not result.ttl > 0 or result.result_type != _COMPLETE:
        return None
    return Worth(min(result.ttl / 1000, _LONGEST), result.scope == "public")


class Kept:
    """One result. `until` is on the clock of the stage; `generation` is its server's, when the call began."""

    __slots__ = ("_head", "_whole", "generation", "route", "size", "until")

    def __init__(self, route: Route, generation: int, until: float, payload: bytes, *, timed: bool) -> None:
        """`timed`: the result says how long it is good for, which is less each time that it is given."""
        self.route = route
        self.generation = generation
        self.until = until
        self.size = len(payload)
        self._head = _before_ttl(payload) if timed else b""
        self._whole = Reply(b"" if timed else payload, cached=True)

    def is_good(self, route: Route, generation: int, now: float) -> bool:
        """A listed thing has a new route where its server's catalogue was read again and differs."""
        return now < self.until and generation == self.generation and (route is self.route or not route.raw)

    def reply(self, now: float) -> Reply:
        if not self._head:
            return self._whole
        return Reply(self._head + b"%d}" % ((self.until - now) * 1000), cached=True)


def _before_ttl(payload: bytes) -> bytes:
    members = fields(payload, "a result")
    del members["ttlMs"]
    members["ttlMs"] = Raw(b"0")
    return dump(members)[:-2]


class Results:
    """`capacity` is in bytes."""

    def __init__(self, capacity: int = 0, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self.capacity = capacity
        self.size = 0

    def get(self, key: Hashable) -> Kept | None:
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def takes(self, size: int) -> bool:
        """Whether something so large may be kept at all."""
        return size + _OVERHEAD <= self.capacity // _SHARE

    def put(self, key: Hashable, kept: Kept) -> None:
        self.drop(key)
        self._kept[key] = kept
        self.size += kept.size + _OVERHEAD
        while self.size > self.capacity or len(self._kept) > self._most:
            _, gone = self._kept.popitem(last=False)
            self.size -= gone.size + _OVERHEAD

    def drop(self, key: Hashable) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self.size -= gone.size + _OVERHEAD

    def clear(self) -> None:
        self._kept.clear()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)
