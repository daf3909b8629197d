"""A call that goes to its server without a task that waits for the answer.

Most calls have nothing to wait for but their server. For these a task costs more than all that is decided about them,
so what comes back is taken in the moment in which it comes. Where it is anything but a plain result, or somebody has to
be able to wait (the client was told nothing for long, the gateway stops), a task takes the call over where it is.
"""

import asyncio
from typing import Any, Protocol, runtime_checkable

from toolgate.http.client import Connection
from toolgate.pipeline.call import Call, Reply
from toolgate.upstream import failures
from toolgate.upstream.base import Link
from toolgate.upstream.deadline import Row

__all__ = ["Express", "Owner", "Sent", "Waiting", "Way"]


class Waiting(Protocol):
    """A place in the queue for a connection."""

    def abort(self) -> None:
        """Leave it."""
        ...


class Sent:
    """One call. Implements `http.client.Waiter`, `deadline.Ringing` and `pipeline.call.Sent`.

    `ended` is called when there is a `result` (in the words of the way) or a `failure`, or neither in time, unless a
    task has taken the call over by then: it gets both from `outcome`.
    """

    __slots__ = (
        "_handed_over", "_settled", "at", "began", "call", "connection", "failure", "key", "result", "row",
        "waited_for", "way",
    )  # fmt: skip

    call: Call

    def __init__(self, way: "Way", at: float, began: float) -> None:
        self.way = way
        self.at = at
        self.began = began
        self.key = b""
        self.result: Any = None
        self.failure: BaseException | None = None
        self.connection: Connection | Waiting
        self.row: Row | None = None
        self.waited_for = False
        self._settled = False
        self._handed_over: asyncio.Future[None] | None = None

    def ended(self) -> None:
        raise NotImplementedError

    def exception(self) -> BaseException | None:
        return self.failure

    def done(self) -> bool:
        return self._settled

    def set_result(self, result: Any, /) -> None:
        self.result = result
        if self._handed_over is None and self.way.awaits(self):
            result.on_more = self._more
        else:
            self._settle()

    def set_exception(self, exception: BaseException, /) -> None:
        self.failure = exception
        self._settle()

    def ring(self) -> None:
        """Its time is up, which the task that takes it over is told by a deadline of its own."""
        self.row = None
        if not self.done():
            self.ended()

    def end(self) -> None:
        """Its link is closed."""
        self.stop_clock()
        if not self.done():
            self.set_exception(failures.ended(self.call.route.server, "is being stopped"))

    def leave(self) -> None:
        """Its client is gone."""
        if not self.done():
            self.set_exception(asyncio.CancelledError())

    def stop_clock(self) -> None:
        if self.row is not None:
            self.row.ends.pop(self, None)
            self.row = None

    def hand_over(self) -> None:
        """From now on a task waits for it."""
        self.stop_clock()
        self._handed_over = asyncio.get_running_loop().create_future()
        if self.result is not None or self.failure is not None:
            self._settled = True
            self._handed_over.set_result(None)

    async def outcome(self) -> Any:
        """The result. Raises the failure."""
        self.waited_for = True
        if self._handed_over is not None:
            await self._handed_over
        if self.failure is not None:
            raise self.failure
        return self.result

    def _more(self) -> None:
        if not self._settled and not self.way.awaits(self):
            self._settle()

    def _settle(self) -> None:
        self._settled = True
        self.stop_clock()
        if self._handed_over is None:
            self.ended()
        elif not self._handed_over.done():
            self._handed_over.set_result(None)


class Owner(Protocol):
    """The supervisor of a link."""

    link: Link | None

    async def send(self, call: Call) -> Reply: ...

    def began(self) -> None: ...

    def ended(self, seconds: float | None = None) -> None:
        """After how long it replied; None where it has not."""
        ...

    def undo(self) -> None:
        """`send` goes on with it."""
        ...


@runtime_checkable
class Express(Protocol):
    """A link over which calls can go without a task."""

    def way(self, call: Call, owner: Owner) -> "Way | None":
        """The way of this call and others like it; None where they need a task."""
        ...


class Way(Protocol):
    """What is the same in all calls of one thing by one kind of client, over one link."""

    @property
    def owner(self) -> Owner: ...

    @property
    def link(self) -> Link: ...

    @property
    def is_open(self) -> bool:
        """False for ever once the link is not used any more."""
        ...

    def reserve(self) -> bool:
        """Whether a call could be sent now. If so `send` or `release` comes next."""
        ...

    def release(self) -> None: ...

    def send(self, sent: Sent) -> None: ...

    def awaits(self, sent: Sent) -> bool:
        """Whether the result that came tells nothing yet: it is a stream, and calls `on_more` when more of it came."""
        ...

    def reply(self, sent: Sent) -> Reply | None:
        """The result that came; None for what is no plain result."""
        ...

    def ended(self, sent: Sent, seconds: float) -> None:
        """The reply was taken."""
        ...

    def drop(self, sent: Sent) -> None:
        """Nobody wants the reply: tell the server, and count it no longer."""
        ...

    def abandon(self, sent: Sent) -> None:
        """The same for one that is not counted any more."""
        ...

    def undo(self, sent: Sent) -> None:
        """A task goes on with it, and counts it itself."""
        ...
