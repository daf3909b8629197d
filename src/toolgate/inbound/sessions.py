"""Sessions of the legacy era (2025-11-25, Streamable HTTP, Session Management)."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from itertools import islice
from secrets import token_urlsafe
from time import monotonic
from typing import Final

from toolgate.inbound.channel import QueueChannel
from toolgate.inbound.session_channel import Questions
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind

__all__ = ["Session", "Sessions"]

_LIMIT: Final = 10_000  # sessions; the one that was idle for longest makes room
_IDLE: Final = 24 * 3600.0  # seconds
_KEPT: Final = 256  # messages for a session without a stream; the oldest make room
_SWEEP: Final = 16  # sessions looked at when one is opened


@dataclass(slots=True, eq=False)
class Session:
    """What a legacy client set up once: its revision, its log level, and what is under way for it."""

    id: str
    endpoint: str
    principal: Principal
    version: str
    capabilities: bytes = b"{}"
    log_level: str | None = None  # until it says otherwise a server decides what it sends
    in_flight: dict[bytes, "asyncio.Task[object]"] = field(default_factory=dict)
    questions: Questions = field(default_factory=Questions)
    stream: QueueChannel | None = None
    kept: deque[bytes] = field(default_factory=lambda: deque(maxlen=_KEPT))
    unheard: set[Kind] = field(default_factory=set)
    used: float = field(default_factory=monotonic)

    def notify(self, message: bytes) -> None:
        """Goes out on the open GET stream, or is kept until there is one."""
        if self.stream is None or not self.stream.send(message):
            self.kept.append(message)

    @property
    def busy(self) -> bool:
        return self.stream is not None or bool(self.in_flight)


class Sessions:
    """All sessions, least recently used first."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, endpoint: str, principal: Principal, version: str, capabilities: bytes = b"{}") -> Session:
        self._make_room()
        session = Session(token_urlsafe(24), endpoint, principal, version, capabilities)
        self._sessions[session.id] = session
        return session

    def find(self, key: str, endpoint: str, principal: Principal) -> Session | None:
        """The session, if it is this caller's at this endpoint: another's id is as good as none."""
        session = self._sessions.get(key)
        if session is None or session.endpoint != endpoint or session.principal.id != principal.id:
            return None
        session.used = monotonic()
        self._sessions.move_to_end(key)
        return session

    def end(self, session: Session) -> None:
        """Forget it and cancel what is under way for it."""
        self._sessions.pop(session.id, None)
        for task in session.in_flight.values():
            task.cancel()
        stream, session.stream = session.stream, None
        if stream is not None:
            stream.wake()

    def all(self) -> list[Session]:
        return list(self._sessions.values())

    def at(self, endpoint: str) -> list[Session]:
        return [session for session in self._sessions.values() if session.endpoint == endpoint]

    def _make_room(self) -> None:
        """End a few sessions that were idle for long, and where the house is full the one that was used longest ago."""
        expired = monotonic() - _IDLE
        for session in list(islice(self._sessions.values(), _SWEEP)):
            if not session.busy and session.used < expired:
                self.end(session)
        while len(self._sessions) >= _LIMIT:
            self.end(next(iter(self._sessions.values())))
