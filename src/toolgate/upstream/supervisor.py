"""One server, kept alive: started once for all who wait, started again when it dies, and honest about it meanwhile."""

import asyncio
import logging
import time
from typing import Final

from toolgate.catalog.remembered import Memory, Remembered
from toolgate.errors import (
    DeadlineExceeded,
    ServerUnavailable,
    SignInNeeded,
    StartFailed,
    ToolgateError,
    UpstreamError,
)
from toolgate.model.server import Server
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.eras import Era
from toolgate.upstream import failures
from toolgate.upstream.background import Background
from toolgate.upstream.backoff import Backoff
from toolgate.upstream.base import Events, Link, Links, SessionLost, State, Status
from toolgate.upstream.crossed import AT_ONCE, crossed, left_of
from toolgate.upstream.health import alive
from toolgate.upstream.level import LinkLevel
from toolgate.upstream.refresh import Refresher
from toolgate.upstream.remirror import mirrored_anew
from toolgate.upstream.rounds import answered, needs_input
from toolgate.upstream.sent import Express, Sent, Way
from toolgate.upstream.slots import Slots
from toolgate.upstream.tally import Tally
from toolgate.upstream.watched import Heard, Watched

__all__ = ["Upstream"]

_STEADY: Final = 30.0  # seconds after which a start has proved itself
_RETIRE: Final = 60.0  # seconds for the calls of a link that is no longer used
_RETIRED: Final = 16
_ROUNDS: Final = 16  # times that a modern server may ask for input in one call of a legacy client

_log = logging.getLogger(__name__)


class Upstream:
    """starting → ready → failing → … → stopped.

    *Starting* is the first start, and one that follows at once on the death of a link that had proved itself: calls
    wait for it. *Failing* lasts until a start succeeds, tries included: calls fail at once.
    """

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
    ) -> None:
        """A link that declares `capabilities` reads no lists and tells no events: the first one does."""
        self.server = server
        self._fingerprint = fingerprint
        self._connect = connect
        self._memory = memory
        self._events = events
        self._slots = slots
        self._remembered = memory.recall(fingerprint)
        self._refresher = Refresher(
            server, self._remembered.catalogue if self._remembered else None, self._learn, self._unlisted
        )
        self.link: Link | None = None
        """While there is one."""
        self.known_era = self._remembered.era if self._remembered else None
        """As far as it is known without waiting."""
        self.link_era: Era | None = None
        """While there is a link."""
        self._level: LinkLevel
        self._last_link: Link | None = None
        self._state = State.STARTING
        self._since = time.time()
        self._error: ToolgateError | None = None
        self._retry_at: float | None = None
        self._moved = asyncio.Event()
        self._settled = asyncio.Event()
        self._session_losses = 0
        self._tally = tally or Tally()
        self._capabilities = capabilities
        self._is_first = capabilities == NONE
        self.under_way = 0
        """Calls that it has not answered yet."""
        self._watched = Watched()
        self._background = Background(_RETIRED)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """What is remembered of the server is served from now on, whether it starts or not."""
        if self._is_first:
            if self._remembered is not None:
                self._events.catalogue(self.server.name, self._remembered.catalogue)
            self._events.state(self.status)
        self._running = asyncio.create_task(self._run(), name=f"upstream {self.server.name}")

    @property
    def status(self) -> Status:
        link, error = self.link, self._error
        return Status(
            server=self.server,
            state=self._state,
            since=self._since,
            reason=error.message if error else "",
            hint=error.hint if error else "",
            era=self.known_era,
            version=link.version if link else "",
            latency=self._tally.latency,
            last_error=self._tally.last_error,
            retry_at=self._retry_at,
            calls=self._tally.calls,
        )

    async def settled(self) -> None:
        """Wait until it is ready and its lists were read, or a start has failed."""
        await self._settled.wait()

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
            link = sent.way.link if isinstance(sent, Sent) else self.link or await self._started_within(call.timeout)
            try:
                reply = await self._pass(link, call, began)
            except SessionLost as lost:
                self._drop(link, lost)
                reply = await self._pass(await self._started_within(call.timeout), call.with_(sent=None), began)
        except DeadlineExceeded:
            late = failures.late(call)  # in terms of the time that it had from the beginning
            self._note(late)
            raise late from None
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
        link = self.link or await self._started_within(timeout)
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
        link = self.link or await self._started_within(call.timeout)
        return link.era

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

    async def _started_within(self, seconds: float) -> Link:
        try:
            async with asyncio.timeout(seconds):
                while self._state is State.STARTING:
                    await self._moved.wait()
        except TimeoutError:
            raise ServerUnavailable(
                f"server {self.server.name!r} is still starting, {_span(time.time() - self._since)} after it was begun",
                hint="try again in a moment",
                server=self.server.name,
                state=self._state.value,
            ) from None
        if self.link is None:
            raise self._down()
        return self.link

    def _down(self) -> ServerUnavailable:
        """Why there is no link, since when, and when it is tried again."""
        name, error = self.server.name, self._error
        if self._state is State.STOPPED:
            return failures.gone(name, "is being stopped")
        now = time.time()
        retry_in = max(0.0, self._retry_at - now) if self._retry_at is not None else 0.0
        again = f"tried again in {_span(retry_in)}" if retry_in else "being tried again now"
        kind = SignInNeeded if isinstance(error, SignInNeeded) else ServerUnavailable
        return kind(
            f"server {name!r} is down: {error.message if error else 'unknown'} "
            f"(for {_span(now - self._since)}, {again})",
            hint=error.hint if error else "",
            server=name,
            state=self._state.value,
            since=round(self._since, 3),
            retry_in=round(retry_in, 1),
        )

    # Its life.

    async def _run(self) -> None:
        era = self._remembered.era if self._remembered else None
        backoff = Backoff(steady=_STEADY)
        while True:
            try:
                async with self._slots.one():
                    link = await self._connect(self.server, era, self, self._capabilities)
            except ToolgateError as error:
                era, held, reason = None, 0.0, error  # what was remembered may be why
            except Exception as error:
                # A fault of ours must not end the one task that would start this server again.
                _log.exception("server %r could not be started", self.server.name)
                era, held, reason = None, 0.0, StartFailed(f"could not be started: {type(error).__name__}")
            else:
                era = link.era
                held, reason = await self._serve(link)
                await self._retire(link)
                if self._state is State.STARTING:
                    backoff = Backoff(steady=_STEADY)
                    continue
            await self._pause(reason, backoff.next(held))

    async def _serve(self, link: Link) -> tuple[float, ToolgateError]:
        """Everything while a link lives. The answer says for how many seconds, and why it ended."""
        began = time.monotonic()
        self.link = link
        self.known_era = self.link_era = link.era
        self._level = LinkLevel(link)
        self._move(State.READY)
        refresh = asyncio.create_task(self._keep_fresh(link), name=f"refresh {self.server.name}")
        try:
            reason = await link.closed()
        finally:
            refresh.cancel()
            await asyncio.gather(refresh, return_exceptions=True)
        held = time.monotonic() - began
        self._session_losses += isinstance(reason, SessionLost)
        proved = held >= _STEADY or (isinstance(reason, SessionLost) and self._session_losses == 1)
        self.link = self.link_era = None
        self._note(reason)
        self._move(State.STARTING if proved else State.FAILING, reason)
        return held, reason

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

    def _drop(self, link: Link, reason: ToolgateError) -> None:
        """A call met the link's end before the task that waits for it did."""
        if self.link is link:
            self.link = self.link_era = None
            self._move(State.STARTING, reason)

    async def _retire(self, link: Link) -> None:
        """Calls that are still under way on it (streams of a lost session) may end on their own."""
        if not self._background.spawn(link.close(_RETIRE), f"retire {self.server.name}"):
            await link.close(0)

    async def _pause(self, reason: ToolgateError, delay: float) -> None:
        news = self._state is not State.FAILING or reason.message != self._tally.last_error
        self._note(reason)
        self._retry_at = time.time() + delay
        self._move(State.FAILING, reason)
        level = logging.WARNING if news else logging.DEBUG  # once, not at every try
        _log.log(level, "server %r is down: %s; tried again in %s", self.server.name, reason, _span(delay))
        await asyncio.sleep(delay)
        self._retry_at = None

    def _move(self, state: State, reason: ToolgateError | None = None) -> None:
        if state is not self._state:
            self._state, self._since = state, time.time()
        self._error = reason
        if state is not State.STARTING:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
        if state in {State.FAILING, State.STOPPED}:
            self._settled.set()
        if self._is_first:
            self._events.state(self.status)

    def _note(self, error: ToolgateError) -> None:
        self._tally.last_error = error.message

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

    def stop(self) -> None:
        """Refuse calls from now on. Those under way go on until `close` has given them their time."""
        if self._state is not State.STOPPED:
            self._last_link, self.link, self.link_era = self.link, None, None
            self._move(State.STOPPED)
            if self._running is not None:
                self._running.cancel()

    async def close(self, grace: float) -> None:
        """Stop, and give calls under way `grace` seconds first; takes a few seconds more at most."""
        self.stop()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        if self._last_link is not None:
            await self._last_link.close(grace)
        await self._background.finish(grace)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
