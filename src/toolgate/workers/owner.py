"""What this worker does for the others: it runs servers for them, and tells of itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from hmac import compare_digest
from itertools import count
from typing import Any

from toolgate.errors import CannotAsk, ServerUnavailable, ToolgateError
from toolgate.model.life import Wish
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Reply
from toolgate.upstream.base import Status
from toolgate.upstream.reached import Reached
from toolgate.workers import frames
from toolgate.workers.frames import (
    Answered,
    Asked,
    Cancel,
    Check,
    Done,
    Failed,
    Frame,
    Hello,
    Learned,
    Look,
    Moved,
    Order,
    Outdated,
    Ping,
    Pong,
    Reload,
    Replied,
    Said,
    Sent,
    Settled,
    Subscribe,
    Unsubscribe,
    Updated,
    Welcome,
    Withdrawn,
)
from toolgate.workers.wire import Wire

__all__ = ["Owner"]

_log = logging.getLogger(__name__)


class Owner:
    """`find` finds a server by name, `look` makes the figures of this worker, `reload` reads the configuration,
    `order` does what a person wants of a server."""

    def __init__(
        self,
        password: str,
        find: Callable[[str], Reached | None],
        look: Callable[[], bytes],
        reload: Callable[[], Awaitable[object]],
        order: Callable[[str, Wish, str], Awaitable[None]],
    ) -> None:
        self.password = password.encode()
        self.find = find
        self.look = look
        self.reload = reload
        self.order = order
        self.desks: set[_Desk] = set()
        self._moved: dict[str, Moved] = {}
        self._learned: dict[str, Learned] = {}

    def desk(self) -> Wire:
        """For a connection that was accepted."""
        return _Desk(self).wire

    def welcomed(self, desk: "_Desk") -> None:
        self.desks.add(desk)
        desk.wire.send(Welcome())
        for learned in self._learned.values():
            desk.wire.send(learned)
        for moved in self._moved.values():
            desk.wire.send(moved)

    def catalogue(self, server: str, catalogue: Catalogue) -> None:
        self._learned[server] = frames.learned(server, catalogue)
        self._tell(self._learned[server])

    def state(self, status: Status) -> None:
        self._moved[status.server.name] = frames.moved(status)
        self._tell(self._moved[status.server.name])

    def updated(self, server: str) -> None:
        self._tell(Outdated(server))

    def keep(self, servers: frozenset[str]) -> None:
        """These are the servers that are run here now."""
        for gone in (self._moved.keys() | self._learned.keys()) - servers:
            self._moved.pop(gone, None)
            self._learned.pop(gone, None)

    def _tell(self, frame: Frame) -> None:
        for desk in tuple(self.desks):
            desk.wire.send(frame)

    async def close(self) -> None:
        for desk in tuple(self.desks):
            await desk.close()


class _Desk:
    """One other worker, and all that it has asked."""

    def __init__(self, owner: Owner) -> None:
        self.wire = Wire(self._heard, self._lost)
        self._owner = owner
        self._is_known = False
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._channels: dict[int, _Channel] = {}
        self._heard_by: dict[int, tuple[str, str, Callable[[str, bytes], None]]] = {}

    def _heard(self, frame: Frame) -> None:
        if not self._is_known:
            if not isinstance(frame, Hello) or not compare_digest(frame.password.encode(), self._owner.password):
                _log.error("somebody without the password came to the door of the workers")
                self.wire.abort()
                return
            self._is_known = True
            self._owner.welcomed(self)
        elif isinstance(frame, Sent):
            self._do(frame.number, self._pass(frame))
        elif isinstance(frame, Cancel):
            if (task := self._tasks.get(frame.number)) is not None:
                task.cancel()
        elif isinstance(frame, Answered):
            if (channel := self._channels.get(frame.number)) is not None:
                channel.answered(frame)
        elif isinstance(frame, Ping):
            self.wire.send(Pong())
        else:
            self._asked_otherwise(frame)

    def _asked_otherwise(self, frame: Frame) -> None:
        if isinstance(frame, Subscribe):
            self._do(frame.number, self._subscribe(frame))
        elif isinstance(frame, Unsubscribe):
            if (asking := self._tasks.get(frame.number)) is not None:
                asking.cancel()
            self._do(-frame.number, self._unsubscribe(frame.number))
        elif isinstance(frame, Check):
            self._do(frame.number, self._check(frame))
        elif isinstance(frame, Settled):
            self._do(frame.number, self._settle(frame))
        elif isinstance(frame, Order):
            self._do(frame.number, self._order(frame))
        elif isinstance(frame, Look):
            self.wire.send(Replied(frame.number, self._owner.look(), False))
        elif isinstance(frame, Reload):
            self._do(frame.number, self._reload(frame))

    def _do(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._answered(number, work))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _answered(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ToolgateError as error:
            self.wire.send(Failed(number, frames.fault_of(error)))
        except Exception as error:  # the worker that asks must hear of it
            _log.exception("what another worker asked failed")
            fault = ToolgateError(f"the gateway failed on this ({type(error).__name__}); its log has the reason")
            self.wire.send(Failed(number, frames.fault_of(fault)))

    def _server(self, name: str) -> Reached:
        server = self._owner.find(name)
        if server is None:
            raise ServerUnavailable(f"server {name!r} is not in the configuration (any more)", server=name)
        return server

    async def _pass(self, frame: Sent) -> None:
        channel = self._channels[frame.number] = _Channel(self.wire, frame.number)
        try:
            reply = await self._server(frame.server).send(frames.call_of(frame, channel))
        finally:
            del self._channels[frame.number]
        self.wire.send(Replied(frame.number, reply.payload, reply.is_error))

    async def _subscribe(self, frame: Subscribe) -> None:
        def heard(uri: str, params: bytes) -> None:
            self.wire.send(Updated(frame.number, uri, params))

        reply = await self._server(frame.server).subscribe(frame.uri, heard, frame.timeout, frame.more)
        if not reply.is_error:
            self._heard_by[frame.number] = frame.server, frame.uri, heard
        self.wire.send(Replied(frame.number, reply.payload, reply.is_error))

    async def _unsubscribe(self, number: int) -> None:
        server, uri, heard = self._heard_by.pop(number, ("", "", _nobody))
        if (found := self._owner.find(server)) is not None:
            await found.unsubscribe(uri, heard)

    async def _check(self, frame: Check) -> None:
        await self._server(frame.server).check()
        self.wire.send(Done(frame.number))

    async def _settle(self, frame: Settled) -> None:
        await self._server(frame.server).settled()
        self.wire.send(Done(frame.number))

    async def _order(self, frame: Order) -> None:
        await self._owner.order(frame.server, Wish(frame.wish), frame.actor)
        self.wire.send(Done(frame.number))

    async def _reload(self, frame: Reload) -> None:
        await self._owner.reload()
        self.wire.send(Done(frame.number))

    def _lost(self) -> None:
        self._owner.desks.discard(self)
        for task in tuple(self._tasks.values()):
            task.cancel()
        for number in tuple(self._heard_by):
            self._do(-number, self._unsubscribe(number))

    async def close(self) -> None:
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.wire.close()


class _Channel:
    """A `pipeline.call.Channel` whose client is at the other worker."""

    def __init__(self, wire: Wire, number: int) -> None:
        self._wire = wire
        self._number = number
        self._numbers = count(1)
        self._questions: dict[int, asyncio.Future[Reply]] = {}

    def send(self, message: bytes) -> bool:
        if self._wire.is_full:
            return False
        self._wire.send(Said(self._number, message))
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        if self._wire.is_full:
            raise CannotAsk("the worker that the client talks to does not read")
        question = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._questions[question] = answer
        self._wire.send(Asked(self._number, question, method, params))
        try:
            return await answer
        except asyncio.CancelledError:
            self._wire.send(Withdrawn(self._number, question))
            raise
        finally:
            del self._questions[question]

    def answered(self, frame: Answered) -> None:
        answer = self._questions.get(frame.question)
        if answer is None or answer.done():
            return
        if frame.fault is not None:
            answer.set_exception(frames.error_of(frame.fault))
        else:
            answer.set_result(Reply(frame.payload, frame.is_error))


def _nobody(uri: str, params: bytes) -> None:
    """Hears what nobody subscribed to."""
