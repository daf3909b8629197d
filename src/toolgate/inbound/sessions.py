"""Sessions of the legacy era (2025-11-25, Streamable HTTP, Session Management).

The id of a session is a sealed token that says all that was agreed on. So a session outlives the process that opened
it: whichever gateway has the key reads the token and goes on, without what was under way.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from secrets import token_urlsafe
from time import monotonic, time
from typing import Final, Protocol

import msgspec

from toolgate.inbound.announcements import Announcements
from toolgate.inbound.elsewhere import ALONE, Place, marked
from toolgate.inbound.questions import Questions
from toolgate.inbound.replay import Kept
from toolgate.inbound.session_channel import SessionChannel
from toolgate.model.principal import Principal
from toolgate.model.tool import Kind
from toolgate.protocol.eras import LEGACY_VERSIONS
from toolgate.protocol.sealed import Sealer

__all__ = ["Session", "Sessions"]

_LIMIT: Final = 10_000  # sessions in memory; the one that was idle for longest makes room
_ENDED: Final = 10_000  # ids remembered of sessions that their clients ended
_IDLE: Final = 24 * 3600.0  # seconds
_LIFE: Final = 7 * 24 * 3600.0  # seconds since it was opened, which is all that a token can say
_SWEEP: Final = 16  # sessions looked at when one is opened
_LONGEST: Final = 2_048  # characters of a token, which is a header that proxies must let through
_TAG: Final = 8  # characters of a session's id that the names of its streams begin with


class _Agreed(msgspec.Struct, array_like=True, frozen=True):
    """What a token says. `capabilities` is None where they are too long for a header: this process alone knows."""

    id: str
    endpoint: str
    principal: str
    version: str
    capabilities: bytes | None
    opened: float
    worker: int = 0


_agreed: Final = msgspec.msgpack.Decoder(_Agreed)


class Cancellable(Protocol):
    """A request under way; a task, for instance."""

    def cancel(self) -> object: ...


@dataclass(slots=True, eq=False)
class Session:
    """What a legacy client set up once, and what is under way for it. `token` is the id that the client has; `id`
    names it here and opens nothing."""

    token: str
    id: str
    endpoint: str
    principal: Principal
    version: str
    capabilities: bytes
    ends: float
    room: Kept
    log_level: str | None = None  # until it says otherwise a server decides what it sends
    in_flight: dict[bytes, Cancellable] = field(default_factory=dict)
    questions: Questions = field(default_factory=Questions)
    calls: dict[str, SessionChannel] = field(default_factory=dict)
    announcements: Announcements = field(init=False)
    unheard: set[Kind] = field(default_factory=set)
    used: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        self.announcements = Announcements(self.room, self.tag)

    @property
    def tag(self) -> str:
        return self.id[:_TAG]

    @property
    def stream(self) -> Announcements | None:
        """The stream of a GET, while a client reads it."""
        return self.announcements if self.announcements.open else None

    @property
    def busy(self) -> bool:
        return self.announcements.open or bool(self.in_flight)

    def notify(self, message: bytes) -> None:
        """Goes out on the open GET stream, or is kept until there is one."""
        self.announcements.send(message)

    def call(self, key: bytes | None) -> SessionChannel:
        """The stream for the answer to a request with this id, or to several."""
        return SessionChannel(key, self.questions, self.room, self.calls, self.tag)

    def close(self) -> None:
        """Cancel what is under way and end the streams."""
        for task in tuple(self.in_flight.values()):
            task.cancel()
        for call in tuple(self.calls.values()):
            call.close()
        self.announcements.close()


class Sessions:
    """All sessions that this process has seen lately, least recently used first."""

    def __init__(self, key: bytes, kept: Kept | None = None, place: Place = ALONE) -> None:
        self._place = place
        self.kept = kept or Kept()
        self._sealer = Sealer(key, "session")
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        # The token of an ended session still opens: it is refused for as long as it is remembered here, which is not
        # for ever and not in another process. It is worth nothing to anybody but its caller, who can open another.
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, endpoint: str, principal: Principal, version: str, capabilities: bytes = b"{}") -> Session:
        agreed = _Agreed(token_urlsafe(16), endpoint, principal.id, version, capabilities, time(), self._place.number)
        token = self._seal(agreed)
        if len(token) > _LONGEST:
            token = self._seal(msgspec.structs.replace(agreed, capabilities=None))
        return self._remember(token, agreed, principal, capabilities)

    def find(self, token: str, endpoint: str, principal: Principal) -> Session | None:
        """The session, if it is this caller's at this endpoint: another's id is as good as none. Raises `Elsewhere`
        where another worker has it."""
        session = self._sessions.get(token)
        if session is None:
            return self._revived(token, endpoint, principal)
        if session.endpoint != endpoint or session.principal.id != principal.id:
            return None
        if session.ends < time():
            self._forget(session)
            return None
        session.used = monotonic()
        self._sessions.move_to_end(token)
        return session

    def end(self, session: Session) -> None:
        """As its client wants: its id is refused from now on."""
        self._ended[session.id] = None
        if len(self._ended) > _ENDED:
            self._ended.popitem(last=False)
        self._forget(session)

    def close(self) -> None:
        """End what is under way: the gateway stops. Clients can go on with the next one."""
        for session in self.all():
            self._forget(session)

    def all(self) -> list[Session]:
        return list(self._sessions.values())

    def at(self, endpoint: str) -> list[Session]:
        return [session for session in self._sessions.values() if session.endpoint == endpoint]

    def _seal(self, agreed: _Agreed) -> str:
        return self._place.mark + self._sealer.seal(msgspec.msgpack.encode(agreed))

    def _revived(self, token: str, endpoint: str, principal: Principal) -> Session | None:
        """A session that another process opened, or that had to make room here."""
        worker, sealed = marked(token)
        opened = self._sealer.open(sealed)
        if opened is None:
            return None
        agreed = _agreed.decode(opened)
        if agreed.worker != worker:
            return None
        self._place.check(worker)
        if (agreed.endpoint, agreed.principal) != (endpoint, principal.id) or agreed.opened + _LIFE < time():
            return None
        if agreed.id in self._ended or agreed.version not in LEGACY_VERSIONS or agreed.capabilities is None:
            return None
        return self._remember(token, agreed, principal, agreed.capabilities)

    def _remember(self, token: str, agreed: _Agreed, principal: Principal, capabilities: bytes) -> Session:
        self._make_room()
        ends = agreed.opened + _LIFE
        session = Session(token, agreed.id, agreed.endpoint, principal, agreed.version, capabilities, ends, self.kept)
        self._sessions[token] = session
        return session

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.token, None)
        session.close()

    def _make_room(self) -> None:
        """Forget a few that were idle for long, and where the house is full the one that was used longest ago."""
        expired = monotonic() - _IDLE
        for session in list(islice(self._sessions.values(), _SWEEP)):
            if not session.busy and session.used < expired:
                self._forget(session)
        while len(self._sessions) >= _LIMIT:
            self._forget(next(iter(self._sessions.values())))
