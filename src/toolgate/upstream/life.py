"""The life of one server: started once for all who wait, again when it dies, and at rest while nobody needs it."""

import asyncio
import logging
import time
from typing import Final

from toolgate.catalog.remembered import Remembered
from toolgate.errors import NoRoom, ServerUnavailable, SignInNeeded, StartFailed, ToolgateError
from toolgate.model.life import Cause, State
from toolgate.model.server import Server
from toolgate.protocol.eras import Era
from toolgate.upstream import failures
from toolgate.upstream.background import Background
from toolgate.upstream.backoff import Backoff
from toolgate.upstream.base import Events, Link, SessionLost, Status
from toolgate.upstream.breaker import Breaker, Circuit
from toolgate.upstream.room import Place, Room
from toolgate.upstream.slots import Slots
from toolgate.upstream.tally import Tally

__all__ = ["CONFIGURATION", "CRASH", "Life"]

CONFIGURATION: Final = "configuration"
CRASH: Final = "crash"

_STEADY: Final = 30.0  # seconds after which a start has proved itself
_RETIRE: Final = 60.0  # seconds for the calls of a link that is no longer used
_RETIRED: Final = 16

_log = logging.getLogger(__name__)


class Life:
    """starting → ready → failing → …, idle or stopped.

    *Starting* is a start that calls wait for: the first one, one out of idleness, and one after a crash while the
    breaker is closed. *Failing* lasts until a start succeeds, tries included: calls fail at once. *Idle* ends with the
    next call, *stopped* when a person says so.
    """

    def __init__(
        self,
        server: Server,
        events: Events,
        remembered: Remembered | None,
        slots: Slots,
        room: Room | None,
        tally: Tally,
        is_first: bool,
    ) -> None:
        """Without a `room` it needs no place. Only the first of a server's links tells `events`."""
        self.server = server
        self.link: Link | None = None
        """While there is one."""
        self.known_era = remembered.era if remembered else None
        """As far as it is known without waiting."""
        self.link_era: Era | None = None
        """While there is a link."""
        self.ready_at = 0.0
        """When there was one, by the clock of the loop."""
        self._events = events
        self._remembered = remembered
        self._slots = slots
        self._room = room
        self._tally = tally
        self._is_first = is_first
        self._state = State.STARTING
        self._since = time.time()
        self._cause, self._actor = Cause.BEGAN, CONFIGURATION
        self._error: ToolgateError | None = None
        self._retry_at: float | None = None
        self._breaker = Breaker()
        self._moved = asyncio.Event()
        self._settled = asyncio.Event()
        self._session_losses = 0
        self._background = Background(_RETIRED)
        self._running: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._place: Place | None = None
        self._serving: Link | None = None
        self._awaited = 0
        self._is_told = False
        self._closed = False

    # What is made of it

    async def _connected(self, era: Era | None) -> Link:
        """A new link. Raises `ToolgateError`."""
        raise NotImplementedError

    async def _keep_fresh(self, link: Link) -> None:
        """For as long as the link lives."""
        raise NotImplementedError

    # What is asked of it

    def start(self, *, on_use: bool = False, stopped_by: str = "") -> None:
        """What is remembered of the server is served from now on, whether it runs or not. One of which nothing is
        remembered is started though nobody has used it: what it offers has to be known first."""
        if self._is_first and self._remembered is not None:
            self._events.catalogue(self.server.name, self._remembered.catalogue)
        if stopped_by:
            self._move(State.STOPPED, Cause.ASKED, stopped_by)
        elif self._remembered is not None and on_use:
            self._move(State.IDLE, Cause.IDLE, CONFIGURATION)
        elif self._reserve() or self._remembered is None:
            self.begin(Cause.BEGAN, CONFIGURATION)
        else:
            self._move(State.IDLE, Cause.ROOM, CONFIGURATION)

    def _reserve(self) -> bool:
        if self._room is not None:
            self._place = self._room.at_once(self.server.owner)
        return self._room is None or self._place is not None

    def begin(self, cause: Cause, actor: str) -> None:
        """Start it, if it is at rest or tried again later."""
        if self._closed or self.link is not None or (self._running is not None and self._state is State.STARTING):
            return
        if self._running is not None:
            self._put_away(0)
        self._retry_at = None
        self._breaker.reset()
        self._move(State.STARTING, cause, actor)
        self._running = asyncio.create_task(self._run(), name=f"upstream {self.server.name}")

    def rest(self, state: State, cause: Cause, actor: str, grace: float = 0) -> None:
        """Let it run no longer, until `begin`. Calls under way get `grace` seconds."""
        if not self._closed and self._state is not state:
            self._retry_at = None
            self._put_away(grace)
            self._move(state, cause, actor)

    def stop(self) -> None:
        """Refuse calls from now on. Those under way go on until `close` has given them their time."""
        if not self._closed:
            self._closed = True
            self.link = self.link_era = None
            self._retry_at = None
            self._move(State.STOPPED, Cause.STOPPED, CONFIGURATION)
            if self._running is not None:
                self._running.cancel()

    async def close(self, grace: float) -> None:
        """Stop, and give calls under way `grace` seconds first; takes a few seconds more at most."""
        self.stop()
        await self._leave(self._leaving, self._running, self._serving, self._place, grace)
        await self._background.finish(grace)

    @property
    def is_settled(self) -> bool:
        return self._settled.is_set()

    async def settled(self) -> None:
        """Wait until it is ready and its lists were read, or a start has failed, or it is at rest."""
        await self._settled.wait()

    async def arrived(self) -> None:
        """Wait until it is no longer starting, and whatever was stopped is gone."""
        while self._state is State.STARTING:
            await self._moved.wait()
        if self._leaving is not None:
            await asyncio.shield(self._leaving)

    @property
    def status(self) -> Status:
        link, error = self.link, self._error
        return Status(
            server=self.server,
            state=self._state,
            since=self._since,
            reason=error.message if error else "",
            hint=error.hint if error else self._hint,
            era=self.known_era,
            version=link.version if link else "",
            latency=self._tally.latency,
            last_error=self._tally.last_error,
            retry_at=self._retry_at,
            calls=self._tally.calls,
            cause=self._cause,
            actor=self._actor,
            circuit=self._breaker.circuit,
        )

    @property
    def _hint(self) -> str:
        is_stopped = self._state is State.STOPPED and not self._closed
        return failures.how_to_start(self.server.name) if is_stopped else ""

    # Those who wait for it

    async def _started_within(self, seconds: float, actor: str) -> Link:
        if self._state is State.IDLE:
            self.begin(Cause.CALLED, actor)
        self._awaited += 1
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
        finally:
            self._awaited -= 1
        if self.link is None:
            raise self._down()
        return self.link

    def _down(self) -> ServerUnavailable:
        """Why there is no link, since when, and when it is tried again."""
        name, error = self.server.name, self._error
        if self._closed:
            return failures.gone(name, "is being stopped")
        if self._state is State.STOPPED:
            return failures.stopped(name, self._actor, self._since)
        now = time.time()
        retry_in = max(0.0, self._retry_at - now) if self._retry_at is not None else 0.0
        again = f"tried again in {_span(retry_in)}" if retry_in else "being tried again now"
        kind = type(error) if isinstance(error, SignInNeeded | NoRoom) else ServerUnavailable
        if self._state is State.IDLE:
            again = "tried again with the next call"
        return kind(
            f"server {name!r} is down: {error.message if error else 'unknown'} "
            f"(for {_span(now - self._since)}, {again})",
            hint=error.hint if error else "",
            server=name,
            state=self._state.value,
            since=round(self._since, 3),
            retry_in=round(retry_in, 1),
        )

    # The one task that starts it

    async def _run(self) -> None:
        if self._leaving is not None:
            await asyncio.shield(self._leaving)  # never two processes where there was one
        era = self._remembered.era if self._remembered else None
        backoff = Backoff(steady=_STEADY)
        reason: ToolgateError
        while self._goes_on:
            try:
                link = await self._start(era)
            except NoRoom as error:
                held, reason = 0.0, error
                if self._remembered is not None:
                    self._running = None
                    self._move(State.IDLE, Cause.ROOM, self._actor, error)
                    return
            except ToolgateError as error:
                era, held, reason = None, 0.0, error  # what was remembered may be why
            except Exception as error:
                # A fault of ours must not end the one task that would start this server again.
                _log.exception("server %r could not be started", self.server.name)
                era, held, reason = None, 0.0, StartFailed(f"could not be started: {type(error).__name__}")
            else:
                era = link.era
                held, reason, proved = await self._serve(link)
                await self._retire(link)
                if proved:
                    backoff = Backoff(steady=_STEADY)
                else:
                    await self._pause(reason, backoff.next(held))
                continue
            self._breaker.failed()
            await self._pause(reason, backoff.next(held))

    async def _start(self, era: Era | None) -> Link:
        place = self._place
        if place is None and self._room is not None:
            place = await self._room.take(self.server.owner, self.server.name)
        self._place = None
        try:
            async with self._slots.one():
                self._breaker.trying()
                link = await self._kept(await self._connected(era))
        except BaseException:
            if place is not None:
                place.release()
            raise
        self._place = place
        return link

    @property
    def _goes_on(self) -> bool:
        """Whether this task is still the one. Python 3.11's `wait_for` may swallow a cancellation."""
        return not self._closed and asyncio.current_task() is self._running

    async def _kept(self, link: Link) -> Link:
        """Unless it came too late, and nobody would own it."""
        if not self._goes_on:
            await link.close(0)
            raise asyncio.CancelledError
        return link

    async def _serve(self, link: Link) -> tuple[float, ToolgateError, bool]:
        """Everything while a link lives. The answer says for how many seconds, why it ended, and whether it had proved
        itself before."""
        began = self.ready_at = asyncio.get_running_loop().time()
        recovered = self._state is State.FAILING
        self.link = self._serving = link
        self.known_era = self.link_era = link.era
        self._breaker.started()
        self._move(State.READY, Cause.RECOVERED if recovered else Cause.STARTED, self._actor)
        refresh = asyncio.create_task(self._keep_fresh(link), name=f"refresh {self.server.name}")
        try:
            reason = await link.closed()
        finally:
            refresh.cancel()
            await asyncio.gather(refresh, return_exceptions=True)
        held = asyncio.get_running_loop().time() - began
        self._session_losses += isinstance(reason, SessionLost)
        proved = held >= _STEADY or (isinstance(reason, SessionLost) and self._session_losses == 1)
        self.link = self.link_era = None
        if self._place is not None:
            self._place.release()
            self._place = None
        self._note(reason)
        waits = proved or not self._breaker.crashed()
        self._move(State.STARTING if waits else State.FAILING, Cause.LOST if waits else Cause.FAILED, CRASH, reason)
        return held, reason, proved

    def _drop(self, link: Link, reason: ToolgateError) -> None:
        """A call met the link's end before the task that waits for it did."""
        if self.link is link:
            self.link = self.link_era = None
            self._move(State.STARTING, Cause.LOST, CRASH, reason)

    async def _retire(self, link: Link) -> None:
        """Calls that are still under way on it (streams of a lost session) may end on their own."""
        self._serving = None
        if not self._background.spawn(link.close(_RETIRE), f"retire {self.server.name}"):
            await link.close(0)

    async def _pause(self, reason: ToolgateError, delay: float) -> None:
        waits = self._state is State.STARTING and self._breaker.circuit is Circuit.CLOSED
        news = self._state is not State.FAILING or reason.message != self._tally.last_error
        self._note(reason)
        self._retry_at = time.time() + delay
        if waits:
            self._move(State.STARTING, Cause.LOST, CRASH, reason)
        else:
            self._move(State.FAILING, Cause.FAILED, self._actor, reason)
        level = logging.WARNING if news else logging.DEBUG  # once, not at every try
        _log.log(level, "server %r is down: %s; tried again in %s", self.server.name, reason, _span(delay))
        await asyncio.sleep(delay)
        self._retry_at = None

    # Its end

    def _put_away(self, grace: float) -> None:
        """What runs, in the background."""
        running, link, place = self._running, self._serving, self._place
        self._running = self._serving = self.link = self.link_era = self._place = None
        if running is not None:
            running.cancel()  # at once: a link that it is about to get would be nobody's
        self._leaving = asyncio.create_task(
            self._leave(self._leaving, running, link, place, grace), name=f"rest {self.server.name}"
        )

    async def _leave(
        self,
        before: "asyncio.Task[None] | None",
        running: "asyncio.Task[None] | None",
        link: Link | None,
        place: Place | None,
        grace: float,
    ) -> None:
        try:
            await asyncio.gather(*(task for task in (before, running) if task is not None), return_exceptions=True)
            if link is not None:
                await link.close(grace)
        finally:
            if place is not None:
                place.release()

    def _move(self, state: State, cause: Cause, actor: str, reason: ToolgateError | None = None) -> None:
        if state is not self._state or not self._is_told:
            self._state, self._since = state, time.time()
            self._cause, self._actor = cause, actor
        self._error = reason
        if state is not State.STARTING:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
        if state not in {State.STARTING, State.READY}:
            self._settled.set()
        self._is_told = True
        if self._is_first:
            self._events.state(self.status)

    def _note(self, error: ToolgateError) -> None:
        self._tally.last_error = error.message


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
