"""The ways of calls that need no task (see `upstream.sent`)."""

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Raw

from toolgate.errors import ToolgateError
from toolgate.http.client import Connection, Response
from toolgate.http.pool import Line, Turn
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import Fields, dump, request, result_of
from toolgate.protocol.eras import ENVELOPE_KEYS, Era
from toolgate.protocol.sse import Decoder, EventTooLarge
from toolgate.upstream.base import Link
from toolgate.upstream.crossed import RESULT_TYPE, crossed
from toolgate.upstream.deadline import Alarms
from toolgate.upstream.outgoing import call_params
from toolgate.upstream.rounds import needs_input
from toolgate.upstream.sent import Owner, Sent

__all__ = ["HttpWay", "StdioWay"]

_PROGRESS: Final = "progressToken"
_LEFT: Final = "the client went away"
_STREAMS: Final = 64  # streams of more than a result in a row, from which on only one call in as many tries again
_SHORT: Final = 64 * 1024  # bytes of a stream that are looked at anew when more has come


class Wording:
    """Calls like one, and what they are answered with, in the words of a link and back."""

    __slots__ = ("_is_known", "_is_same", "_link", "_meta", "_name")

    def __init__(self, link: Link, call: Call) -> None:
        self._link = link
        self._is_same = link.era is call.era
        # Nothing has to be turned into something else but what it is called.
        self._is_known = self._is_same and (
            link.version == call.version if link.era is Era.MODERN else ENVELOPE_KEYS.isdisjoint(call.meta)
        )
        self._name = Raw(dump(call.route.name))
        self._meta = _around_token(call.meta)

    def params(self, call: Call, key: bytes) -> bytes:
        if not self._is_known:
            return call_params(call, self._link.era, self._link.version, key)
        params: Fields = {**call.params, "name": self._name}
        if self._meta is not None:
            before, after = self._meta
            params["_meta"] = Raw(before + key + after)
        return dump(params)

    def reply(self, result: bytes, call: Call) -> Reply | None:
        """None where there is more to be done about it."""
        reply = Reply(result)
        if self._is_same and (call.era is Era.LEGACY or RESULT_TYPE in result):
            return reply
        try:
            return crossed(reply, self._link, call) if self._is_same or not needs_input(reply) else None
        except ToolgateError:
            return None


def _around_token(meta: Fields) -> tuple[bytes, bytes] | None:
    """What stands before and behind the progress token of the link's own in `_meta`; None where none is wanted, and
    the client's own `_meta` says it all."""
    if _PROGRESS not in meta:
        return None
    # As it is written, a string of the client's cannot hold this: quotes in it have a backslash before them.
    before, token, after = dump({**meta, _PROGRESS: Raw(b"\x00")}).partition(b'"progressToken":\x00')
    return before + token[:-1], after


class Endpoint(Protocol):
    """What a way needs of a URL."""

    @property
    def line(self) -> Line: ...

    @property
    def limits(self) -> tuple[int, int]:
        """See `http.client.Connection.send`."""
        ...

    def leave(self, response: Response) -> None:
        """What still comes of it is read and thrown away, within a moment."""
        ...


class HttpEnd(Link, Protocol):
    """What a way needs of a link to a URL."""

    alarms: Alarms

    def enter(self, call: Call) -> bytes:
        """The key of a call that is under way from now on."""
        ...

    def leave(self, key: bytes) -> None: ...

    def withdraw(self, key: bytes, reason: str) -> None:
        """Tell the server that nobody wants the answer, where a closed connection does not tell it."""
        ...


class _Turn:
    """A call that waits for a connection. Implements `http.pool.Turn` and `sent.Waiting`."""

    __slots__ = ("_left", "_sent", "_way")

    def __init__(self, way: "HttpWay", sent: Sent) -> None:
        self._way = way
        self._sent = sent
        self._left = False

    def done(self) -> bool:
        return self._left

    def abort(self) -> None:
        self._left = True

    def set_result(self, connection: Connection | None) -> None:
        if connection is not None and connection.is_usable:
            self._way.write(self._sent, connection)
        else:
            self._way.open_for(self)

    def set_exception(self, exception: OSError) -> None:
        self._sent.set_exception(exception)


class HttpWay:
    """Implements `sent.Way` for a server behind a URL."""

    __slots__ = (
        "_endpoint", "_flows", "_head", "_limits", "_line", "_method", "_reserved", "_seconds", "_streams", "_wording",
        "link", "owner",
    )  # fmt: skip

    def __init__(self, link: HttpEnd, owner: Owner, endpoint: Endpoint, head: bytes, call: Call) -> None:
        """`head` is that of every request, up to the trace and the length. `call` is one like all that will come."""
        self.link = link
        self.owner = owner
        self._endpoint = endpoint
        self._line = endpoint.line
        self._head = head.replace(b"%", b"%%") + b"traceparent: %b\r\nContent-Length: %d\r\n\r\n"
        self._limits = endpoint.limits
        self._streams = 0  # in a row that held more than a result
        self._flows = call.flows and link.era is call.era
        self._method = dump(call.method)
        self._wording = Wording(link, call)
        self._seconds = call.timeout
        self._reserved: Connection | None = None

    @property
    def is_open(self) -> bool:
        return self.owner.link is self.link

    def reserve(self) -> bool:
        if self._streams > _STREAMS:
            self._streams += 1
            if self._streams % _STREAMS:
                return False
        self._reserved = self._line.free()
        return self._reserved is not None or self._line.is_full

    def release(self) -> None:
        if self._reserved is not None:
            self._line.keep(self._reserved)
            self._reserved = None

    def send(self, sent: Sent) -> None:
        connection, self._reserved = self._reserved, None
        sent.key = self.link.enter(sent.call)
        self.owner.began()
        sent.row = self.link.alarms.set(sent, self._seconds)
        if connection is not None:
            self.write(sent, connection)
        else:
            sent.connection = turn = _Turn(self, sent)
            self._line.waiting.append(turn)

    def open_for(self, turn: Turn) -> None:
        self._line.open_for(turn)

    def write(self, sent: Sent, connection: Connection) -> None:
        call, key, sent.connection = sent.call, sent.key, connection
        params = self._wording.params(call, key)
        body = b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (key, self._method, params)
        head = self._head % (call.trace.traceparent.encode(), len(body))
        connection.send_for(sent, head, body, *self._limits, flows=self._flows)

    def reply(self, sent: Sent) -> Reply | None:
        response: Response = sent.result
        body = response.body
        if response.status != 200:
            return None
        if response.is_stream:
            return self._from_stream(response, sent)
        if body is None or body[:1] != b"{":
            return None
        result = result_of(body, sent.key)
        return self._wording.reply(result, sent.call) if result is not None else None

    def _from_stream(self, response: Response, sent: Sent) -> Reply | None:
        """Many servers answer every call with a stream of one event."""
        response.on_more = None
        try:
            events = Decoder(self._limits[0]).feed(response.peek())
        except EventTooLarge:
            return None
        result = result_of(events[0].data, sent.key) if len(events) == 1 and events[0].event == "message" else None
        reply = self._wording.reply(result, sent.call) if result is not None else None
        if reply is None:
            self._streams += 1
            return None
        self._streams = 0
        response.skip()
        self._endpoint.leave(response)
        return reply

    def awaits(self, sent: Sent) -> bool:
        response: Response = sent.result
        if not response.is_stream or response.ended or response.status != 200:
            return False
        come = response.peek()
        return len(come) < _SHORT and b"\n\n" not in come and b"\r\n\r\n" not in come

    def ended(self, sent: Sent, seconds: float) -> None:
        self.link.leave(sent.key)
        self.owner.ended(seconds)

    def drop(self, sent: Sent) -> None:
        self.abandon(sent)
        self.link.withdraw(sent.key, _LEFT)
        self.link.leave(sent.key)
        self.owner.ended()

    def abandon(self, sent: Sent) -> None:
        if isinstance(sent.result, Response):
            sent.result.close()  # where it has come, its connection may be another call's already
        else:
            sent.connection.abort()  # for a modern server this is the cancellation

    def undo(self, sent: Sent) -> None:
        self.link.leave(sent.key)
        self.owner.undo()


class StdioEnd(Link, Protocol):
    """What a way needs of a link to a child process."""

    alarms: Alarms

    @property
    def reads(self) -> bool:
        """Whether the server takes a message now."""
        ...

    def enter(self, call: Call, sent: Sent) -> bytes:
        """The key of a call that is under way from now on; `sent` gets the reply."""
        ...

    def leave(self, key: bytes) -> None: ...

    def forget(self, key: bytes) -> None: ...

    def withdraw(self, key: bytes, reason: str) -> None: ...


class StdioWay:
    """Implements `sent.Way` for a child process."""

    __slots__ = ("_method", "_seconds", "_wording", "_write", "link", "owner")

    def __init__(self, link: StdioEnd, owner: Owner, write: Callable[[bytes], None], call: Call) -> None:
        self.link = link
        self.owner = owner
        self._write = write
        self._method = call.method
        self._wording = Wording(link, call)
        self._seconds = call.timeout

    @property
    def is_open(self) -> bool:
        return self.owner.link is self.link

    def reserve(self) -> bool:
        return self.link.reads

    def release(self) -> None: ...

    def send(self, sent: Sent) -> None:
        link, call = self.link, sent.call
        sent.key = key = link.enter(call, sent)
        self.owner.began()
        sent.row = link.alarms.set(sent, self._seconds)
        self._write(request(key, self._method, self._wording.params(call, key)))

    def awaits(self, sent: Sent) -> bool:
        return False

    def reply(self, sent: Sent) -> Reply | None:
        reply: Reply = sent.result
        return None if reply.is_error else self._wording.reply(reply.payload, sent.call)

    def ended(self, sent: Sent, seconds: float) -> None:
        self.link.leave(sent.key)
        self.owner.ended(seconds)

    def drop(self, sent: Sent) -> None:
        self.abandon(sent)
        self.link.leave(sent.key)
        self.owner.ended()

    def abandon(self, sent: Sent) -> None:
        self.link.withdraw(sent.key, _LEFT)
        self.link.forget(sent.key)

    def undo(self, sent: Sent) -> None:
        self.link.leave(sent.key)
        self.owner.undo()
