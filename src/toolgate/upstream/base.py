"""What the pool, the supervisor of a server and the two kinds of link agree on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from toolgate.errors import ServerUnavailable, UpstreamError
from toolgate.model.life import Cause, State
from toolgate.model.server import Server
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.upstream.breaker import Circuit
from toolgate.upstream.relay import News

__all__ = ["Events", "Link", "Links", "Log", "SessionLost", "State", "Status", "silent"]


Log = Callable[[str, str, str], None]
"""Takes a line for the log of a server: its name, where the line comes from (`stderr`, `stdout`, `toolgate`), and the
line, redacted."""


def silent(server: str, source: str, line: str) -> None:
    """A `Log` that nobody reads."""


@dataclass(frozen=True, slots=True)
class Status:
    """What can be said of a server at this moment. Times are seconds since the epoch; latency is in seconds."""

    server: Server
    state: State
    since: float
    reason: str = ""
    hint: str = ""
    era: Era | None = None
    version: str = ""
    latency: float | None = None
    last_error: str = ""
    retry_at: float | None = None
    calls: int = 0
    """Passed on since the gateway knows this definition."""
    cause: Cause = Cause.BEGAN
    """Of the state."""
    actor: str = ""
    """Who asked for it, or what brought it about."""
    circuit: Circuit = Circuit.CLOSED


class SessionLost(ServerUnavailable):
    """The server has forgotten the session, so it has not looked at the request: it may be sent again on a new link
    (2025-11-25, Streamable HTTP, Session Management)."""


class Events(Protocol):
    """What the pool tells the rest of the house. Called on the event loop; must not block."""

    def catalogue(self, server: str, catalogue: Catalogue) -> None:
        """The server's catalogue was read (again)."""

    def updated(self, server: str) -> None:
        """The server says that a resource has changed."""

    def state(self, status: Status) -> None:
        """The server's state changed."""


class Link(Protocol):
    """A live connection to one server, in the server's own era. Many requests are under way on it at once."""

    era: Era
    version: str
    catalogue_head: Catalogue
    """Capabilities, server information and instructions, as the handshake told them; no items yet."""

    async def send(self, call: Call) -> Reply:
        """Pass one call on. Cancelling the task that awaits this cancels the call at the server."""
        ...

    async def request(self, method: str, params: bytes | None, timeout: float) -> Reply:
        """A request of the gateway's own (listing, ping). `params` has no `_meta`."""
        ...

    async def subscribe(self, uri: str, more: bytes) -> Reply:
        """Ask to be told of updates of a resource. `more` is an object: what a legacy server is told besides. The reply
        is an error where the server refuses."""
        ...

    async def unsubscribe(self, uri: str) -> Reply: ...

    async def closed(self) -> UpstreamError:
        """Wait for the link's end; the answer says why. It is returned, not raised: a link's end is no failure of the
        one who waits for it. `SessionLost` asks for a new link at once."""
        ...

    async def close(self, grace: float) -> None:
        """End it: give calls under way `grace` seconds to end, fail the others, then stop the process or the session,
        which takes a few seconds more at most. No more calls are sent on it."""
        ...


class Links(Protocol):
    """How a link is made: `upstream.stdio.connect` or `upstream.http.connect`."""

    async def __call__(self, server: Server, era: Era | None, news: News, capabilities: bytes) -> Link:
        """`era` is the remembered one, or None to probe. `news` hears what the server tells.
        `capabilities` are declared to a legacy server as the client's. Raises `StartFailed` with a reason that a person
        can act on."""
        ...
