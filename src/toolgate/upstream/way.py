"""The way of calls that need no task to a server behind a URL (see `upstream.sent`)."""

from typing import Final, Protocol

from msgspec import Raw

from toolgate.http.client import Connection, Response
from toolgate.http.pool import Line
from toolgate.observe.traceparent import STATE, TRACEPARENT
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import Fields, dump, result_of
from toolgate.protocol.eras import LOG_LEVEL, Era
from toolgate.upstream.base import Link
from toolgate.upstream.crossed import RESULT_TYPE
from toolgate.upstream.deadline import Alarms
from toolgate.upstream.sent import Owner, Sent

__all__ = ["HttpWay", "goes_at_once"]

_PROGRESS: Final = "progressToken"


class HttpEnd(Link, Protocol):
    """What a way needs of its link."""

    alarms: Alarms

    def enter(self, call: Call) -> bytes:
        """The key of a call that is under way from now on."""
        ...

    def leave(self, key: bytes) -> None: ...


class HttpWay:
    """Implements `Way` for a modern client and a modern server behind a URL."""

    __slots__ = ("_head", "_limits", "_line", "_meta", "_method", "_name", "_owner", "_reserved", "_seconds", "link")

    def __init__(
        self, link: HttpEnd, owner: Owner, line: Line, head: bytes, limits: tuple[int, int], call: Call
    ) -> None:
        """`head` is that of every request, up to the trace and the length. `call` is one like all that will come."""
        self.link = link
        self._owner = owner
        self._line = line
        self._head = head + b"traceparent: %b\r\nContent-Length: %d\r\n\r\n"
        self._limits = limits
        self._method = dump(call.method)
        self._name = Raw(dump(call.route.name))
        self._meta = _around_token(call.meta)
        self._seconds = call.timeout
        self._reserved: Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._owner.link is self.link

    def reserve(self) -> bool:
        self._reserved = self._line.free()
        return self._reserved is not None

    def release(self) -> None:
        if self._reserved is not None:
            self._line.keep(self._reserved)
            self._reserved = None

    def send(self, sent: Sent) -> None:
        link, call, connection = self.link, sent.call, self._reserved
        if connection is None:
            raise RuntimeError("nothing was reserved")
        self._reserved, sent.connection = None, connection
        sent.key = key = link.enter(call)
        self._owner.began()
        params: Fields = {**call.params, "name": self._name}
        if self._meta is not None:
            before, after = self._meta
            params["_meta"] = Raw(before + key + after)
        body = b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (key, self._method, dump(params))
        sent.row = link.alarms.set(sent, self._seconds)
        head = self._head % (call.trace.traceparent.encode(), len(body))
        connection.send_for(sent, head, body, *self._limits, flows=True)

    def reply(self, sent: Sent) -> Reply | None:
        response: Response = sent.result
        body = response.body
        if response.status != 200 or body is None or body[:1] != b"{":
            return None
        result = result_of(body, sent.key)
        return Reply(result) if result is not None and RESULT_TYPE in result else None

    def ended(self, sent: Sent, seconds: float) -> None:
        self.link.leave(sent.key)
        self._owner.ended(seconds)

    def drop(self, sent: Sent) -> None:
        sent.connection.abort()  # 2026-07-28, Streamable HTTP, Cancellation
        self.link.leave(sent.key)
        self._owner.ended()

    def undo(self, sent: Sent) -> None:
        self.link.leave(sent.key)
        self._owner.undo()


def _around_token(meta: Fields) -> tuple[bytes, bytes] | None:
    """What stands before and behind the progress token of the link's own in `_meta`; None where none is wanted, and
    the client's own `_meta` says it all."""
    if _PROGRESS not in meta:
        return None
    # As it is written, a string of the client's cannot hold this: quotes in it have a backslash before them.
    before, token, after = dump({**meta, _PROGRESS: Raw(b"\x00")}).partition(b'"progressToken":\x00')
    return before + token[:-1], after


def goes_at_once(call: Call, link: Link) -> bool:
    """Whether nothing of the call has to be turned into something else for the link, but what it is called."""
    return (
        link.era is call.era is Era.MODERN
        and link.version == call.version
        and call.method == "tools/call"
        and not call.meta.keys() & {TRACEPARENT, STATE, LOG_LEVEL}
    )
