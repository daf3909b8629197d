"""The one task that brings what was recorded into the database."""

import asyncio
import logging
import time
from typing import Final

from toolgate.errors import StoreError, ToolgateError
from toolgate.observe.ring import Ring
from toolgate.observe.usage import Usage
from toolgate.store.audit import PATIENCE, AuditLog
from toolgate.store.database import Database
from toolgate.store.usage import UsageTable

__all__ = ["Writer"]

_LINGER: Final = 0.25  # seconds that the first record waits for others
_USAGE_EVERY: Final = 5.0  # seconds
_RETRY: Final = (0.1, 5.0)  # seconds until the first attempt after a failure, and at most

_log = logging.getLogger(__name__)


class Writer:
    """Drains the ring in batches, and the sums of usage every few seconds.

    What the database refuses is kept, and tried again with growing pauses: this is logged once, and once more when it
    works again. A connection that breaks in the very moment of a commit can leave a batch written twice, never not at
    all.
    """

    def __init__(self, database: Database, ring: Ring, usage: Usage) -> None:
        self._audit = AuditLog(database)
        self._table = UsageTable(database)
        self._place = database.place
        self._ring = ring
        self._usage = usage
        self._usage_due = 0.0
        self._failures = 0
        self._closing = False
        self._until = float("inf")
        self._hurried = asyncio.Event()
        self._asked: set[asyncio.Future[None]] = set()
        self._task = self._begin()

    async def flush(self, patience: float) -> bool:
        """Whether all that was recorded before this is written now; waits at most `patience` seconds."""
        done = asyncio.get_running_loop().create_future()
        self._asked.add(done)
        self._hurried.set()
        try:
            async with asyncio.timeout(patience):
                await done
        except TimeoutError:
            return False
        finally:
            self._asked.discard(done)
        return True

    async def close(self, grace: float) -> None:
        """Write what is left. What the database does not take within `grace` seconds, or in an attempt that began
        in them, is lost, which is logged."""
        self._closing = True
        self._until = time.monotonic() + grace
        self._hurried.set()
        await asyncio.wait({self._task}, timeout=grace + 2 * PATIENCE)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=PATIENCE)
        if self._ring or self._usage:
            _log.critical("%d records of calls are lost: %s could not be written", len(self._ring), self._place)

    def _begin(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self._write_on(), name="recording-writer")
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing but an end of the gateway may end it: without it no call would be let in any more."""
        if not self._closing and not task.get_loop().is_closed():
            _log.error("the writer of the audit log was ended from outside; it begins anew")
            self._task = self._begin()

    async def _write_on(self) -> None:
        while not self._closing or ((self._ring or self._usage) and time.monotonic() < self._until):
            await self._until_due()
            try:
                await self._write()
            # Whatever it is that a driver raises, the records are still there, and somebody has to go on trying.
            except Exception as error:
                await self._fail(error)
            else:
                self._succeed()

    async def _until_due(self) -> None:
        if self._closing:
            return
        due = self._usage_due - time.monotonic() if self._usage else None
        if not await _first(due, self._ring.some, self._hurried) or self._hurried.is_set():
            return
        await _first(_LINGER, self._ring.plenty, self._hurried)

    async def _write(self) -> None:
        self._hurried.clear()
        asked = tuple(self._asked)
        left = len(self._ring)
        while left > 0 and (batch := self._ring.take()):
            await self._audit.add(batch)
            left -= len(batch)
            self._ring.done()
        if asked or self._closing or self._usage.crowded or time.monotonic() >= self._usage_due:
            await self._write_usage()
        for done in asked:
            if not done.done():
                done.set_result(None)

    async def _write_usage(self) -> None:
        rows = self._usage.take()
        try:
            if rows:
                await self._table.add(rows)
        except BaseException:  # a cancellation too: the sums are nowhere else
            self._usage.give_back(rows)
            raise
        self._usage_due = time.monotonic() + _USAGE_EVERY

    async def _fail(self, error: Exception) -> None:
        if not self._failures:
            hint = error.hint if isinstance(error, ToolgateError) else ""
            _log.error(
                "calls cannot be recorded: %s; they are kept and tried again%s",
                error,
                f" ({hint})" if hint else "",
                exc_info=None if isinstance(error, StoreError) else error,
            )
        first, most = _RETRY
        pause = min(most, first * 2 ** min(self._failures, 10), max(0.0, self._until - time.monotonic()))
        self._failures += 1
        await asyncio.sleep(pause)

    def _succeed(self) -> None:
        if self._failures:
            _log.warning("calls are recorded again, after %d attempts; none was lost", self._failures)
            self._failures = 0


async def _first(timeout: float | None, *events: asyncio.Event) -> bool:
    """Whether one of them was set within `timeout` seconds."""
    if any(event.is_set() for event in events):
        return True
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()
