"""Streams whose events are numbered and kept for a while, so that a client that lost its connection can come back
(2025-11-25, Streamable HTTP, Resumability and Redelivery)."""

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from typing import Final

from toolgate.inbound.channel import QueueChannel

__all__ = ["Kept", "ReplayChannel"]

_MOST: Final = 256  # messages of one stream
_PATIENCE: Final = 60.0  # seconds
_MOST_BYTES: Final = 64 * 1024 * 1024  # of all streams together


class Kept:
    """What all sessions keep for clients that may come back, within `patience` seconds and `limit` bytes."""

    def __init__(self, limit: int = _MOST_BYTES, patience: float = _PATIENCE) -> None:
        self.patience = patience
        self.size = 0
        self._limit = limit
        self._ended: OrderedDict[ReplayChannel, None] = OrderedDict()

    def has_room(self, more: int) -> bool:
        """Whether `more` bytes fit; streams that ended, longest ago first, make room for them."""
        while self.size + more > self._limit and self._ended:
            next(iter(self._ended)).close()
        return self.size + more <= self._limit

    def ended(self, stream: "ReplayChannel") -> None:
        """Nothing more will come on it: it is only kept."""
        self._ended[stream] = None

    def wanted(self, stream: "ReplayChannel") -> None:
        self._ended.pop(stream, None)


class ReplayChannel(QueueChannel, ABC):
    """A channel that remembers what was sent. Its one reader is the connection that came last: a message is never
    delivered on two. `name` is empty until the first event id is given out, and nobody can come back before that.

    `limit` is in bytes, of what was sent and what is to be sent together.
    """

    __slots__ = ("_expiry", "_kept", "_limit", "_sent", "_size", "name", "number", "reader")

    def __init__(self, kept: Kept, limit: int) -> None:
        super().__init__()
        self.name = ""
        self.number = 0  # of the event that was sent last
        self.reader: object | None = None
        self._kept = kept
        self._limit = limit
        self._size = 0
        self._sent: deque[bytes] = deque()
        self._expiry: asyncio.TimerHandle | None = None

    def send(self, message: bytes) -> bool:
        sent = super().send(message)
        if sent:
            self._grow(len(message))
        return sent

    def next(self) -> tuple[int, bytes] | None:
        """The event to send now, as sent; None where there is none."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._sent.append(message)
        self.number += 1
        self._trim()
        return self.number, message

    def rewind(self, number: int) -> bool:
        """Go back to right after an event. False where that never was, or not all that followed it is kept."""
        if not self.number - len(self._sent) <= number <= self.number:
            return False
        while self.number > number:
            self._messages.appendleft(self._sent.pop())
            self.number -= 1
        return True

    def attach(self, reader: object) -> None:
        """Another connection reads from here on; the one before it ends."""
        displaced, self.reader = self.reader, reader
        self._no_longer_expires()
        if displaced is not None:
            self.wake()

    def detach(self, reader: object) -> None:
        """This connection has ended. It may have been displaced long ago."""
        if self.reader is reader:
            self.reader = None
            self._left()

    def close(self) -> None:
        """Forget everything. Nobody can come back."""
        self.reader = None
        self._no_longer_expires()
        self._sent.clear()
        self._messages.clear()
        self._grow(-self._size)
        self.wake()

    @abstractmethod
    def _left(self) -> None:
        """Nobody reads any more."""

    @abstractmethod
    def _expired(self) -> None:
        """Nobody came back in time."""

    def _expires(self) -> None:
        self._no_longer_expires()
        self._expiry = asyncio.get_running_loop().call_later(self._kept.patience, self._expired)

    def _no_longer_expires(self) -> None:
        self._kept.wanted(self)
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _fit(self, more: int = 0) -> bool:
        """Forget what was sent, oldest first, until there is room for a message of `more` bytes, or for what is there.
        Where that would not be enough, nothing is forgotten, and the answer is False."""
        spare = count = 0
        while not self._fits(more - spare, bool(more) - count):
            if count == len(self._sent):
                return False
            spare += len(self._sent[count])
            count += 1
        for _ in range(count):
            self._grow(-len(self._sent.popleft()))
        return True

    def _fits(self, more: int, count: int) -> bool:
        total = len(self._sent) + len(self._messages) + count
        return total <= _MOST and self._size + more <= self._limit and self._kept.has_room(more)

    def _trim(self) -> bool:
        """Whether what is there is within bounds, without some or all of what was sent."""
        if self._fit():
            return True
        self._forget_sent()
        return False

    def _forget_sent(self) -> None:
        while self._sent:
            self._grow(-len(self._sent.popleft()))

    def _grow(self, count: int) -> None:
        self._size += count
        self._kept.size += count
