"""One server as all callers see it: its first link, and further ones for callers that it may ask something."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from toolgate.errors import ToolgateError
from toolgate.model.life import Cause, State, Wish
from toolgate.model.server import Server, Stdio
from toolgate.observe.spans import Trace
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.eras import MAY_NEED_INPUT, Era
from toolgate.protocol.results import error_code
from toolgate.upstream.base import Status
from toolgate.upstream.sent import Way
from toolgate.upstream.supervisor import Upstream
from toolgate.upstream.variants import Variants
from toolgate.upstream.watched import Heard

__all__ = ["SharedUpstream", "traced"]

_GRACE: Final = 2.0  # seconds for a server to leave by itself
_DRAIN: Final = 10.0  # seconds for the calls under way of one that a person stops


class SharedUpstream:
    """`make` makes a link for a set of capabilities."""

    def __init__(self, server: Server, make: Callable[[bytes], Upstream], on_use: bool = False) -> None:
        """`on_use`: it is not started before somebody needs it."""
        self.server = server
        self._on_use = on_use
        self._first = make(NONE)
        self._variants = Variants(make)
        self._seen = 0
        self._used = 0.0

    def start(self, stopped_by: str = "") -> None:
        self._first.start(on_use=self._on_use, stopped_by=stopped_by)

    def unused_for(self, now: float) -> float | None:
        """Seconds by the clock of the loop, as far as somebody looked; None while it is used, or does not run."""
        first = self._first
        if first.calls != self._seen or first.is_busy or any(further.is_busy for further in self._variants.all()):
            self._seen, self._used = first.calls, now
            return None
        if first.link is None or not first.is_settled:
            return None
        return now - max(self._used, first.ready_at)

    def rest(self, cause: Cause) -> None:
        """Nobody needs it now. The next call starts it."""
        self._first.rest(State.IDLE, cause, cause.value, _GRACE)
        self._variants.leave()

    async def order(self, wish: Wish, actor: str) -> None:
        """What a person wants; returns when it is done, or could not be."""
        if wish is not Wish.START:
            self._first.rest(State.STOPPED, Cause.ASKED, actor, _DRAIN)
            self._variants.leave()
        if wish is not Wish.STOP:
            self._first.begin(Cause.ASKED, actor)
        await self._first.arrived()

    @property
    def status(self) -> Status:
        return self._first.status

    def reach(self, name: str) -> tuple[float, Era | None]:
        """Seconds that a call of this may take, and the server's era as far as it is known."""
        return self.server.timeout_of(name), self._first.known_era

    @property
    def under_way(self) -> int:
        """Calls that it has not answered yet."""
        return self._first.under_way + sum(upstream.under_way for upstream in self._variants.all())

    @property
    def links(self) -> int:
        return self._first.linked + sum(upstream.linked for upstream in self._variants.all())

    async def check(self) -> None:
        """Ask whether it is alive. Raises `UpstreamError`."""
        await self._first.check()

    async def settled(self) -> None:
        await self._first.settled()

    def send(self, call: Call) -> Coroutine[Any, Any, Reply]:
        """See `Upstream.send`. A modern server is told with every request what its client can be asked, so it needs
        one link; of the methods only those that may need input (2026-07-28, MRTR, Supported Requests) take another."""
        if call.trace.sampled:
            return traced(call, self.status, self._send_by_era(call))
        if call.capabilities == NONE or self._first.link_era is Era.MODERN or call.method not in MAY_NEED_INPUT:
            return self._first.send(call)
        return self._send_by_era(call)

    def way(self, call: Call) -> Way | None:
        """The way of this call and others like it that need no task; None where they do."""
        is_first = call.capabilities == NONE or self._first.link_era is Era.MODERN
        return self._first.way(call) if is_first else None

    async def _send_by_era(self, call: Call) -> Reply:
        fits = (
            call.capabilities == NONE or call.method not in MAY_NEED_INPUT or await self._first.era(call) is Era.MODERN
        )
        return await (self._first if fits else self._variants.of(call)).send(call)

    async def subscribe(self, uri: str, heard: Heard, timeout: float, more: bytes = b"{}") -> Reply:
        """Tell `heard` of updates of a resource from now on; the server's own answer where it refuses."""
        return await self._first.subscribe(uri, heard, timeout, more)

    async def unsubscribe(self, uri: str, heard: Heard) -> None:
        await self._first.unsubscribe(uri, heard)

    def stop(self) -> None:
        self._first.stop()
        self._variants.stop()

    async def close(self, grace: float) -> None:
        self.stop()
        await self._first.close(grace)
        await self._variants.close(grace)


async def traced(call: Call, status: Status, sending: Coroutine[Any, Any, Reply]) -> Reply:
    """What `sending` answers; how it goes is noted in the trace of the call."""
    trace = call.trace
    if not isinstance(trace, Trace):
        return await sending
    trace.upstream(status.version, "pipe" if isinstance(status.server.transport, Stdio) else "tcp")
    try:
        reply = await sending
    except ToolgateError as error:
        trace.answered(error.code)
        raise
    trace.answered("error" if reply.is_error else "ok", error_code(reply.payload) if reply.is_error else None)
    trace.group("answer")
    return reply
