"""One server as all callers see it: its first link, and further ones for callers that it may ask something."""

from collections.abc import Callable, Coroutine
from typing import Any

from toolgate.errors import ToolgateError
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


class SharedUpstream:
    """`make` makes a link for a set of capabilities."""

    def __init__(self, server: Server, make: Callable[[bytes], Upstream]) -> None:
        self.server = server
        self._first = make(NONE)
        self._variants = Variants(make)

    def start(self) -> None:
        self._first.start()

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
