"""One client that came over HTTP+SSE: its stream, and its session."""

import asyncio
from contextlib import suppress
from secrets import token_urlsafe
from typing import Final

from toolgate.inbound.announce import Announcer
from toolgate.inbound.channel import QueueChannel
from toolgate.inbound.exchange import Outcome
from toolgate.inbound.sessions import Session, Sessions
from toolgate.model.principal import Principal

__all__ = ["Outbox", "SseConnection"]

_BYTES: Final = 64 * 1024 * 1024  # that may wait; one message more is taken, however large


class Outbox(QueueChannel):
    """All that goes to one client. One that is so far behind that it is `overflown` is cut off."""

    __slots__ = ("_size", "id", "overflown")

    def __init__(self) -> None:
        super().__init__()
        self.id = token_urlsafe(24)
        self.overflown = False
        self._size = 0

    def send(self, message: bytes) -> bool:
        if self._size >= _BYTES or not super().send(message):
            self.overflown = True
            self.wake()
            return False
        self._size += len(message)
        return True

    def taken(self) -> list[bytes]:
        self._size = 0
        return super().taken()


class SseConnection:
    """One client: its stream, and from `initialize` on its session."""

    def __init__(self, endpoint: str, principal: Principal) -> None:
        self.endpoint = endpoint
        self.principal = principal
        self.outbox = Outbox()
        self.session: Session | None = None
        self._announcing: asyncio.Task[None] | None = None

    def belongs(self, endpoint: str, principal: Principal) -> bool:
        return self.endpoint == endpoint and self.principal.id == principal.id

    @property
    def over(self) -> bool:
        """The client does not read, or the session was ended to make room."""
        return self.outbox.overflown or (self._announcing is not None and self._announcing.done())

    @property
    def busy(self) -> bool:
        return self.session is not None and bool(self.session.in_flight)

    def say(self, message: bytes) -> None:
        self.outbox.send(message)

    def answered(self, task: "asyncio.Task[Outcome]") -> None:
        """One that the client cancelled has no answer (2024-11-05, Cancellation)."""
        if task.cancelled():
            self.outbox.wake()
        else:
            self.say(task.result().body)

    def announce(self, announcer: Announcer) -> None:
        """From now on the session is told what belongs to no request."""
        if self.session is not None and self._announcing is None:
            self._announcing = asyncio.create_task(self._announce(self.session, announcer))
            self._announcing.add_done_callback(self.outbox.wake)

    async def _announce(self, session: Session, announcer: Announcer) -> None:
        stream = session.announcements
        stream.attach(self)
        announcer.catch_up(session)
        try:
            while stream.reader is self:
                while (event := stream.next()) is not None:
                    self.say(event[1])
                await stream.woken()
        finally:
            stream.detach(self)

    async def close(self, sessions: Sessions) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
            with suppress(asyncio.CancelledError):
                await self._announcing
        if self.session is not None:
            sessions.end(self.session)
