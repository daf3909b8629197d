"""A server that another worker runs, as everybody in this one sees it."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from toolgate.errors import ServerUnavailable
from toolgate.model.life import Cause, Wish
from toolgate.model.server import Server
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.upstream.base import Events, State, Status
from toolgate.upstream.breaker import Circuit
from toolgate.upstream.life import CONFIGURATION
from toolgate.upstream.sent import Way
from toolgate.upstream.shared import traced
from toolgate.upstream.watched import Heard
from toolgate.workers import frames
from toolgate.workers.frames import Check, Learned, Moved, Order, Settled, Subscribe, Unsubscribe
from toolgate.workers.peer import Peer, PeerLostError

__all__ = ["RemoteUpstream"]

_AGAIN: Final = 0.1  # seconds
_PATIENCE: Final = 5.0  # seconds for the other worker to be there


class RemoteUpstream:
    """Implements `upstream.reached.Reached`. What is told of it counts at its owner, and not once more here."""

    under_way: Final = 0
    links: Final = 0

    def __init__(self, server: Server, peer: Peer, events: Events) -> None:
        self.server = server
        self._peer = peer
        self._events = events
        self._status = Status(server, State.STARTING, time.time(), actor=CONFIGURATION)
        self._stopped = False
        self._subscriptions: dict[tuple[str, Heard], int] = {}

    def start(self) -> None:
        self._events.state(self._status)
        self._peer.follow(self.server.name, self)

    @property
    def status(self) -> Status:
        return self._status

    def reach(self, name: str) -> tuple[float, Era | None]:
        return self.server.timeout_of(name), self._status.era

    # peer.Follower

    def moved(self, frame: Moved) -> None:
        self._status = Status(
            self.server,
            frames.STATES[frame.state],
            frame.since,
            frame.reason,
            frame.hint,
            Era(frame.era) if frame.era is not None else None,
            frame.version,
            frame.latency,
            frame.last_error,
            frame.retry_at,
            cause=Cause(frame.cause),
            actor=frame.actor,
            circuit=Circuit(frame.circuit),
        )
        self._events.state(self._status)

    def learned(self, frame: Learned) -> None:
        self._events.catalogue(self.server.name, frames.catalogue_of(frame))

    def updated(self) -> None:
        self._events.updated(self.server.name)

    def lost(self) -> None:
        reason = f"worker {self._peer.number}, which runs it, has ended and is being started again"
        self._status = Status(
            self.server, State.FAILING, time.time(), reason, _HINT, self._status.era, last_error=reason,
            cause=Cause.FAILED,
        )  # fmt: skip
        self._subscriptions.clear()
        self._events.state(self._status)

    # The road of a call

    def send(self, call: Call) -> Coroutine[Any, Any, Reply]:
        """As `SharedUpstream.send`."""
        sending = self._send(call)
        return traced(call, self._status, sending) if call.trace.sampled else sending

    def way(self, call: Call) -> Way | None:
        """There is none: another worker counts it."""
        return None

    async def _send(self, call: Call) -> Reply:
        try:
            if not self._peer.is_up:
                await self._peer.up(call.timeout)
            return await self._peer.send(call)
        except PeerLostError as lost:
            raise self._down(lost) from None

    async def check(self) -> None:
        try:
            await self._peer.ask(lambda number: Check(number, self.server.name))
        except PeerLostError as lost:
            raise self._down(lost) from None

    async def order(self, wish: Wish, actor: str) -> None:
        try:
            await self._peer.up(_PATIENCE)
            await self._peer.ask(lambda number: Order(number, self.server.name, wish.value, actor))
        except PeerLostError as lost:
            raise self._down(lost) from None

    async def settled(self) -> None:
        while not self._stopped:
            try:
                await self._peer.ask(lambda number: Settled(number, self.server.name))
            except (PeerLostError, ServerUnavailable):
                await asyncio.sleep(_AGAIN)  # the other worker is starting, or has not read the configuration yet
            else:
                return

    async def subscribe(self, uri: str, heard: Heard, timeout: float, more: bytes = b"{}") -> Reply:
        numbers: list[int] = []

        def subscribe(number: int) -> Subscribe:
            numbers.append(number)
            self._peer.hear(number, heard)
            return Subscribe(number, self.server.name, uri, timeout, more)

        try:
            await self._peer.up(timeout)
            reply = await self._peer.ask(subscribe)
        except BaseException as error:
            for number in numbers:
                self._peer.hear_no_more(number)
                self._peer.say(Unsubscribe(number))
            if isinstance(error, PeerLostError):
                raise self._down(error) from None
            raise
        if reply.is_error:
            self._peer.hear_no_more(numbers[0])
        else:
            self._subscriptions[uri, heard] = numbers[0]
        return reply

    async def unsubscribe(self, uri: str, heard: Heard) -> None:
        number = self._subscriptions.pop((uri, heard), None)
        if number is not None:
            self._peer.hear_no_more(number)
            self._peer.say(Unsubscribe(number))

    def stop(self) -> None:
        self._stopped = True
        self._peer.leave(self.server.name, self)

    async def close(self, grace: float) -> None:
        """Calls under way are the owner's to end."""
        self.stop()

    def _down(self, lost: PeerLostError) -> ServerUnavailable:
        name = self.server.name
        return ServerUnavailable(f"server {name!r} is down: {lost.message}", hint=_HINT, server=name)


_HINT: Final = "try again in a moment"
