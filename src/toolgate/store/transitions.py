"""The states that servers went through: written as they change, and the last week of them at hand in memory."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self

import msgspec
from sqlalchemy import delete, func, insert, select

from toolgate.errors import StoreError
from toolgate.model.life import Cause
from toolgate.model.transition import Transition
from toolgate.store.database import Database
from toolgate.store.tables import transitions

__all__ = ["TransitionTable", "Transitions"]

_KEPT: Final = 30 * 86_400.0  # seconds
_MOST: Final = 50_000  # rows
_AT_HAND: Final = 7 * 86_400.0
_OF_SERVER: Final = 1000  # at hand; a server that flaps for days shows its latest
_SERVERS: Final = 5000
_UNWRITTEN: Final = 10_000
_REASON: Final = 300  # characters
_PRUNED_EVERY: Final = 1000  # rows
_AGAIN: Final = 5.0  # seconds between two tries to write

_log = logging.getLogger("toolgate.health")


class TransitionTable:
    """The repository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, batch: Sequence[Transition]) -> None:
        async with self._database.writing() as connection:
            await connection.execute(insert(transitions), [msgspec.structs.asdict(one) for one in batch])

    async def since(self, moment: float) -> list[Transition]:
        """In the order in which they happened; the newest `50,000` where there are more."""
        fields = [transitions.c[name] for name in Transition.__struct_fields__]
        chosen = select(*fields).where(transitions.c.at >= moment).order_by(transitions.c.id.desc()).limit(_MOST)
        async with self._database.reading() as connection:
            rows = (await connection.execute(chosen)).all()
        return [Transition(*row) for row in reversed(rows)]

    async def prune(self, before: float) -> None:
        """Forget what is older, and the oldest where there are too many."""
        async with self._database.writing() as connection:
            newest = await connection.scalar(select(func.max(transitions.c.id))) or 0
            old = (transitions.c.at < before) | (transitions.c.id <= newest - _MOST)
            await connection.execute(delete(transitions).where(old))


class Transitions:
    """A sink for `Events.state`. `note` only touches memory; a task of its own writes."""

    def __init__(self, table: TransitionTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._known: dict[str, deque[Transition]] = {}
        self._now: dict[str, str] = {}
        self._unwritten: deque[Transition] = deque(maxlen=_UNWRITTEN)
        self._until_pruned = _PRUNED_EVERY
        self._wake = asyncio.Event()
        self._closing = False
        self._writer = asyncio.create_task(self._write_on(), name="transition-writer")

    @classmethod
    async def open(cls, database: Database, clock: Callable[[], float] = time.time) -> Self:
        """Raises `StoreError`."""
        table = TransitionTable(database)
        await table.prune(clock() - _KEPT)
        earlier = await table.since(clock() - _AT_HAND)
        sink = cls(table, clock)
        for transition in earlier:
            sink._remember(transition)
        return sink

    def note(self, server: str, state: str, at: float, reason: str = "", cause: str = "", actor: str = "") -> None:
        """The server is in this state since `at` (seconds since the epoch). Said again, it changes nothing."""
        before = self._now.get(server, "")
        if state == before:
            return
        transition = Transition(server, at, before, state, cause, " ".join(reason.split())[:_REASON], actor)
        if cause == Cause.STOPPED:
            self._now.pop(server, None)  # whatever comes next under this name begins anew
        else:
            self._now[server] = state
        self._remember(transition)
        self._unwritten.append(transition)
        self._wake.set()
        _log.info(
            "server %r: %s", server, f"{before} -> {state}" if before else state,
            extra={"server": server, "state": state, "cause": cause, "reason": transition.reason, "actor": actor},
        )  # fmt: skip

    def of(self, server: str) -> Sequence[Transition]:
        """The last week of one server, oldest first."""
        return tuple(self._known.get(server, ()))

    def __len__(self) -> int:
        """Those that are not written yet."""
        return len(self._unwritten)

    async def close(self) -> None:
        """Write what is left."""
        self._closing = True
        self._wake.set()
        await self._writer

    def _remember(self, transition: Transition) -> None:
        known = self._known.setdefault(transition.server, deque(maxlen=_OF_SERVER))
        if len(self._known) > _SERVERS:
            del self._known[next(iter(self._known))]
        known.append(transition)
        oldest = transition.at - _AT_HAND
        # The last one before the week says in which state the week began.
        while len(known) > 1 and known[1].at < oldest:
            known.popleft()

    async def _write_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            closing = self._closing  # before the write, which is then the last
            if not await self._write() and not closing:
                await self._rest()
            if closing:
                return

    async def _write(self) -> bool:
        batch = tuple(self._unwritten)
        if not batch:
            return True
        try:
            await self._table.add(batch)
            self._written(batch)
            if self._until_pruned <= 0:
                await self._table.prune(self._clock() - _KEPT)
                self._until_pruned = _PRUNED_EVERY
        except StoreError as error:
            _log.warning("%d changes of servers' states are not written yet: %s", len(self._unwritten), error)
            return False
        return True

    def _written(self, batch: Sequence[Transition]) -> None:
        self._until_pruned -= len(batch)
        written = set(map(id, batch))
        # What came meanwhile may have pushed some of these out of the bounded queue.
        while self._unwritten and id(self._unwritten[0]) in written:
            self._unwritten.popleft()

    async def _rest(self) -> None:
        """Until it is time for another try, or for the last one."""
        try:
            async with asyncio.timeout(_AGAIN):
                while not self._closing:
                    await self._wake.wait()
                    self._wake.clear()
        except TimeoutError:
            pass
        self._wake.set()
