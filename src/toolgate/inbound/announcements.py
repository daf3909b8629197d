"""What a legacy session is told outside its calls: the stream of its GETs."""

from typing import Final, Self

from toolgate.inbound.event_ids import stream_name
from toolgate.inbound.replay import Kept, ReplayChannel

__all__ = ["Announcements"]

_BYTES: Final = 64 * 1024  # kept of one session
_LIMIT: Final = 256  # messages that wait for a connection


class Announcements(ReplayChannel):
    """Messages wait for a connection; where there are too many, the oldest make room."""

    __slots__ = ("_tag",)

    def __init__(self, kept: Kept, tag: str) -> None:
        super().__init__(kept, _BYTES)
        self._tag = tag

    @property
    def open(self) -> bool:
        return self.reader is not None

    def send(self, message: bytes) -> bool:
        """Always takes it."""
        while not super().send(message):
            self._drop_oldest()
        while not self._trim() and not self.open and len(self._messages) > 1:
            self._drop_oldest()
        return True

    def begin(self) -> Self:
        """The stream of a connection that does not resume this one. What waits goes there; what was sent stays, since
        it is not for another stream."""
        fresh = type(self)(self._kept, self._tag)
        fresh.name = stream_name(self._tag)
        for message in self._messages:
            fresh.send(message)
        self.close()
        return fresh

    def _drop_oldest(self) -> None:
        self._grow(-len(self._messages.popleft()))

    def _left(self) -> None:
        self._expires()

    def _expired(self) -> None:
        """What waits goes on waiting, for a stream of its own."""
        self._forget_sent()
