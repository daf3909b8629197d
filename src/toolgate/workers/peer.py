"""The way to one other worker, and to all servers that it runs."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from toolgate.errors import ToolgateError
from toolgate.pipeline.call import Call, Reply
from toolgate.upstream import relay
from toolgate.workers import frames
from toolgate.workers.frames import (
    Answered,
    Asked,
    Cancel,
    Done,
    Failed,
    Frame,
    Hello,
    Learned,
    Moved,
    Outdated,
    Ping,
    Replied,
    Said,
    Updated,
    Welcome,
    Withdrawn,
)
from toolgate.workers.wire import Wire

__all__ = ["Follower", "Peer", "PeerLostError"]

_AGAIN: Final = 0.05  # seconds before another try to connect
_BEAT: Final = 5.0  # seconds between pings
_SILENCE: Final = 20.0  # seconds without a word after which the other worker counts as hung

_log = logging.getLogger(__name__)


class PeerLostError(ToolgateError):
    """The other worker has ended, or was not there yet."""


class Follower(Protocol):
    """Who is told of one server that the other worker runs."""

    def moved(self, frame: Moved) -> None: ...

    def learned(self, frame: Learned) -> None: ...

    def updated(self) -> None: ...

    def lost(self) -> None: ...


class _Waiting:
    """What was asked and is not answered yet; `call` is None for all but calls."""

    __slots__ = ("call", "future", "questions")

    def __init__(self, future: "asyncio.Future[Reply]", call: Call | None) -> None:
        self.future = future
        self.call = call
        self.questions: dict[int, asyncio.Task[None]] = {}


class Peer:
    """Made on the event loop. Connects for as long as it lives."""

    def __init__(self, path: str, password: str, number: int, own: int) -> None:
        """`number` is the other's, `own` is this worker's."""
        self.number = number
        self._path = path
        self._hello = Hello(password, own)
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._connecting: Wire | None = None
        self._up = asyncio.Event()
        self._gone = asyncio.Event()
        self._was_up = False
        self._heard_at = 0.0
        self._last = 0
        self._waiting: dict[int, _Waiting] = {}
        self._hearing: dict[int, Callable[[str, bytes], None]] = {}
        self._followers: dict[str, Follower] = {}
        self._moved: dict[str, Moved] = {}
        self._learned: dict[str, Learned] = {}
        self._running = self._loop.create_task(self._keep_connected(), name=f"worker {number}")

    # Whoever follows a server

    def follow(self, server: str, follower: Follower) -> None:
        """Tell it all that is known, and from now on what is new."""
        self._followers[server] = follower
        if (known := self._learned.get(server)) is not None:
            follower.learned(known)
        if (state := self._moved.get(server)) is not None:
            follower.moved(state)

    def leave(self, server: str, follower: Follower) -> None:
        if self._followers.get(server) is follower:
            del self._followers[server]

    @property
    def is_up(self) -> bool:
        return self._wire is not None

    async def up(self, timeout: float) -> None:
        """Wait for the first connection; one that was lost is not waited for. Raises `PeerLostError`."""
        if self._wire is not None:
            return
        if not self._was_up:
            try:
                async with asyncio.timeout(timeout):
                    await self._up.wait()
            except TimeoutError:
                raise PeerLostError(f"worker {self.number} has not started yet") from None
        if self._wire is None:
            raise PeerLostError(f"worker {self.number} has ended and is being started again")

    # What is asked

    async def send(self, call: Call) -> Reply:
        """Raises what the owner's upstream raises, and `PeerLostError`."""
        number, wire, waiting = self._open(call)
        wire.send(frames.sent(number, call))
        try:
            return await waiting.future
        except asyncio.CancelledError:
            wire.send(Cancel(number))
            raise
        finally:
            self._waiting.pop(number, None)
            for question in tuple(waiting.questions.values()):
                question.cancel()

    async def ask(self, make: Callable[[int], Frame]) -> Reply:
        """Anything else that is answered. `make` gets the number for it."""
        number, wire, waiting = self._open(None)
        wire.send(make(number))
        try:
            return await waiting.future
        finally:
            self._waiting.pop(number, None)

    def say(self, frame: Frame) -> None:
        if self._wire is not None:
            self._wire.send(frame)

    def hear(self, number: int, heard: Callable[[str, bytes], None]) -> None:
        """`heard` gets the updates of the subscription of that number, until `hear_no_more`."""
        self._hearing[number] = heard

    def hear_no_more(self, number: int) -> None:
        self._hearing.pop(number, None)

    def _open(self, call: Call | None) -> tuple[int, Wire, _Waiting]:
        if self._wire is None:
            raise PeerLostError(f"worker {self.number} has ended and is being started again")
        self._last += 1
        waiting = self._waiting[self._last] = _Waiting(self._loop.create_future(), call)
        return self._last, self._wire, waiting

    # What is heard

    def _heard(self, frame: Frame) -> None:
        self._heard_at = self._loop.time()
        if isinstance(frame, Replied):
            if (waiting := self._waiting.get(frame.number)) is not None and not waiting.future.done():
                waiting.future.set_result(Reply(frame.payload, frame.is_error))
        elif isinstance(frame, Failed):
            if (waiting := self._waiting.get(frame.number)) is not None:
                _fail(waiting, frames.error_of(frame.fault))
        elif isinstance(frame, Said):
            self._said(frame)
        elif isinstance(frame, Asked):
            self._asked(frame)
        elif isinstance(frame, Updated):
            if (heard := self._hearing.get(frame.number)) is not None:
                heard(frame.uri, frame.params)
        else:
            self._heard_of_servers(frame)

    def _heard_of_servers(self, frame: Frame) -> None:
        if isinstance(frame, Moved):
            self._moved[frame.server] = frame
            if (follower := self._followers.get(frame.server)) is not None:
                follower.moved(frame)
        elif isinstance(frame, Learned):
            self._learned[frame.server] = frame
            if (follower := self._followers.get(frame.server)) is not None:
                follower.learned(frame)
        elif isinstance(frame, Outdated):
            if (follower := self._followers.get(frame.server)) is not None:
                follower.updated()
        elif isinstance(frame, Withdrawn):
            waiting = self._waiting.get(frame.number)
            if waiting is not None and (question := waiting.questions.get(frame.question)) is not None:
                question.cancel()
        elif isinstance(frame, Done):
            if (waiting := self._waiting.get(frame.number)) is not None and not waiting.future.done():
                waiting.future.set_result(_DONE)
        elif isinstance(frame, Welcome):
            self._wire, self._was_up = self._connecting, True
            self._up.set()

    def _said(self, frame: Said) -> None:
        waiting = self._waiting.get(frame.number)
        if waiting is None or waiting.call is None:
            return
        if not waiting.call.channel.send(frame.message):
            self.say(Cancel(frame.number))
            _fail(waiting, relay.slow_client(waiting.call))

    def _asked(self, frame: Asked) -> None:
        waiting = self._waiting.get(frame.number)
        if waiting is not None and waiting.call is not None:
            task = self._loop.create_task(self._ask_client(frame, waiting.call))
            waiting.questions[frame.question] = task
            task.add_done_callback(lambda _: waiting.questions.pop(frame.question, None))

    async def _ask_client(self, frame: Asked, call: Call) -> None:
        try:
            reply = await call.channel.ask(frame.method, frame.params)
        except ToolgateError as error:
            self.say(Answered(frame.number, frame.question, b"", False, frames.fault_of(error)))
        except Exception as error:  # a fault of ours must not leave the server waiting for ever
            _log.exception("what server %r asked could not be brought to its client", call.route.server)
            fault = frames.fault_of(ToolgateError(f"the gateway failed to ask: {type(error).__name__}"))
            self.say(Answered(frame.number, frame.question, b"", False, fault))
        else:
            self.say(Answered(frame.number, frame.question, reply.payload, reply.is_error, None))

    # The connection

    async def _keep_connected(self) -> None:
        while True:
            self._gone.clear()
            try:
                _, wire = await self._loop.create_unix_connection(lambda: Wire(self._heard, self._lost), self._path)
            except OSError as error:
                _log.debug("worker %d cannot be reached: %s", self.number, error)
                await asyncio.sleep(_AGAIN)
                continue
            self._up.clear()
            self._heard_at = self._loop.time()
            self._connecting = wire
            wire.send(self._hello)
            if await self._is_welcome():
                await self._until_lost(wire)
            wire.abort()
            await self._gone.wait()

    async def _is_welcome(self) -> bool:
        """The parent keeps the door open: whoever is behind it may still have to be started."""
        waits = {self._loop.create_task(event.wait()) for event in (self._up, self._gone)}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._up.is_set() and not self._gone.is_set()

    async def _until_lost(self, wire: Wire) -> None:
        while not self._gone.is_set():
            try:
                async with asyncio.timeout(_BEAT):
                    await self._gone.wait()
            except TimeoutError:
                if self._loop.time() - self._heard_at > _SILENCE:
                    _log.error("worker %d does not answer", self.number)
                    return
                wire.send(Ping())

    def _lost(self) -> None:
        self._wire = None
        self._gone.set()
        self._up.clear()
        self._moved.clear()
        self._hearing.clear()
        for waiting in tuple(self._waiting.values()):
            _fail(waiting, PeerLostError(f"worker {self.number} ended before it answered"))
        if self._was_up:
            for follower in tuple(self._followers.values()):
                follower.lost()

    async def close(self) -> None:
        self._followers.clear()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if self._connecting is not None:
            self._connecting.abort()


def _fail(waiting: _Waiting, error: ToolgateError) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
        waiting.future.exception()  # marks it as seen: the one who waited may be gone already


_DONE: Final = Reply(b"")
