"""One server's link, kept alive, and the road of a call over it."""

import logging
import time
from typing import Final

from toolgate.catalog.remembered import Memory, Remembered
from toolgate.errors import DeadlineExceeded, Stopped, UpstreamError
from toolgate.model.life import actor
from toolgate.model.server import Server
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.eras import Era
from toolgate.upstream import failures
from toolgate.upstream.base import Events, Link, Links, SessionLost
from toolgate.upstream.crossed import AT_ONCE, crossed, left_of
from toolgate.upstream.health import alive
from toolgate.upstream.level import LinkLevel
from toolgate.upstream.life import Life
from toolgate.upstream.refresh import Refresher
from toolgate.upstream.remirror import mirrored_anew
from toolgate.upstream.room import Room
from toolgate.upstream.rounds import answered, needs_input
from toolgate.upstream.sent import Express, Sent, Way
from toolgate.upstream.slots import Slots
from toolgate.upstream.tally import Tally
from toolgate.upstream.watched import Heard, Watched

__all__ = ["Upstream"]

_ROUNDS: Final = 16  # times that a modern server may ask for input in one call of a legacy client
_SUBSCRIBER: Final = "a subscription"

_log = logging.getLogger(__name__)


class Upstream(Life):
    def __init__(
        self,
        server: Server,
        fingerprint: str,
        connect: Links,
        memory: Memory,
        events: Events,
        slots: Slots,
        tally: Tally | None = None,
        capabilities: bytes = NONE,
        room: Room | None = None,
    ) -> None:
        """A link that declares `capabilities` reads no lists and tells no events: the first one does."""
        remembered = memory.recall(fingerprint)
        super().__init__(server, events, remembered, slots, room, tally or Tally(), capabilities == NONE)
        self._fingerprint = fingerprint
        self._connect = connect
        self._memory = memory
        self._refresher = Refresher(server, remembered.catalogue if remembered else None, self._learn, self._unlisted)
        self._level: LinkLevel
        self._capabilities = capabilities
        self.under_way = 0
        """Calls that it has not answered yet."""
        self._watched = Watched()

    @property
    def calls(self) -> int:
        """That came over all links of the server."""
        return self._tally.calls

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for it, or wants to hear of its resources."""
        return bool(self.under_way or self._awaited) or not self._watched.is_empty

    # The road of a call.

    async def send(self, call: Call) -> Reply:
        """Pass a call on and wait for its reply, within `call.timeout` seconds, a start that is under way included.

        Raises `ServerUnavailable` at once while the server is failing, and whatever else a link raises.
        """
        self._tally.calls += 1
        self.under_way += 1
        sent = call.sent
        began = time.monotonic() - (time.perf_counter() - sent.began if sent is not None else 0)
        try:
            link = sent.way.link if isinstance(sent, Sent) else self.link or await self._started(call)
            try:
                reply = await self._pass(link, call, began)
            except SessionLost as lost:
                self._drop(link, lost)
                reply = await self._pass(await self._started(call), call.with_(sent=None), began)
        except DeadlineExceeded:
            late = failures.late(call)  # in terms of the time that it had from the beginning
            self._note(late)
            raise late from None
        except Stopped:
            raise
        except UpstreamError as error:
            self._note(error)
            raise
        finally:
            self.under_way -= 1
        self._session_losses = 0
        self._tally.replied(time.monotonic() - began)
        return reply

    def way(self, call: Call) -> Way | None:
        """See `sent.Express`; None where there is no link now."""
        return self.link.way(call, self) if isinstance(self.link, Express) else None

    def began(self) -> None:
        """A call was sent without `send`."""
        self._tally.calls += 1
        self.under_way += 1

    def ended(self, seconds: float | None = None) -> None:
        self.under_way -= 1
        if seconds is not None:
            self._tally.replied(seconds)

    def undo(self) -> None:
        self.under_way -= 1
        self._tally.calls -= 1

    @property
    def linked(self) -> bool:
        return self.link is not None

    async def check(self) -> None:
        """Ask whether it is alive. Raises `UpstreamError`; a server that is down has been found out already."""
        if self.link is not None:
            await alive(self.link)

    async def subscribe(self, uri: str, heard: Heard, timeout: float, more: bytes = b"{}") -> Reply:
        """Tell `heard` of updates of a resource from now on. Raises as `send` does."""
        link = self.link or await self._started_within(timeout, _SUBSCRIBER)
        return await self._watched.subscribe(link, uri, heard, more)

    async def unsubscribe(self, uri: str, heard: Heard) -> None:
        await self._watched.unsubscribe(self.link, uri, heard)

    # relay.News

    def changed(self, kinds: frozenset[Kind]) -> None:
        outdated = self._refresher.changed(kinds)
        if outdated is not None and self._is_first and self.link is not None:  # else there is a newer one
            self._events.catalogue(self.server.name, outdated)

    def updated(self, uri: str, params: bytes) -> None:
        self._events.updated(self.server.name)
        self._watched.updated(uri, params)

    async def era(self, call: Call) -> Era:
        """Of the server, once it has started; waits and raises as `send` does."""
        link = self.link or await self._started(call)
        return link.era

    async def _started(self, call: Call) -> Link:
        return await self._started_within(call.timeout, actor(call.principal))

    async def _pass(self, link: Link, call: Call, began: float) -> Reply:
        """The only place where a call meets a link."""
        if call.log_level is not None and not self._level.suits(call):
            await self._level.suit(call)
        for _ in range(_ROUNDS):
            waited = time.monotonic() - began
            reply = await link.send(call if waited < AT_ONCE else left_of(call, waited))
            if call.sent is not None:
                call = call.with_(sent=None)  # what follows is another request
            if reply.is_error and (anew := await mirrored_anew(link, call, reply)) is not None:
                call = anew
                reply = await link.send(left_of(call, time.monotonic() - began))
            if link.era is call.era or not needs_input(reply):
                return crossed(reply, link, call)
            again = await answered(call, reply)
            if isinstance(again, Reply):
                return again
            call, began = again, time.monotonic()
        raise failures.broken(self.server.name, f"asked for more input {_ROUNDS} times in one call")

    # See Life

    async def _connected(self, era: Era | None) -> Link:
        link = await self._connect(self.server, era, self, self._capabilities)
        self._level = LinkLevel(link)
        return link

    async def _keep_fresh(self, link: Link) -> None:
        if not self._is_first:
            self._settled.set()
            return
        await self._watched.renew(link)
        try:
            await self._refresher.run(link)
        except Exception:
            # A fault of ours costs the news of this server, not its calls.
            _log.exception("the lists of server %r are not kept fresh", self.server.name)
            self._settled.set()

    def _unlisted(self, error: UpstreamError) -> None:
        self._note(error)
        self._settled.set()

    def _learn(self, link: Link, catalogue: Catalogue) -> None:
        learnt = Remembered(link.era, catalogue)
        if learnt != self._remembered:
            self._remembered = learnt
            self._memory.remember(self._fingerprint, learnt)
        self._events.catalogue(self.server.name, catalogue)
        self._settled.set()
