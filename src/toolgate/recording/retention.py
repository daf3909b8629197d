"""What was recorded is kept for a while, and then goes in small steps, so that writers never wait long for it."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

from toolgate.errors import StoreError
from toolgate.store.audit import AuditLog
from toolgate.store.database import Database
from toolgate.store.usage import UsageTable

__all__ = ["Retention"]

_DAY: Final = 86_400.0
_EVERY: Final = 600.0  # seconds
_BREATH: Final = 0.05  # seconds between two steps

_log = logging.getLogger(__name__)


class Retention:
    """Goes on in the background until it is closed."""

    def __init__(self, database: Database, *, audit_days: float, audit_rows: int, usage_days: float) -> None:
        self._audit = AuditLog(database)
        self._usage = UsageTable(database)
        self._audit_seconds = audit_days * _DAY
        self._audit_rows = audit_rows
        self._usage_seconds = usage_days * _DAY
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._prune_on(), name="retention")

    async def close(self) -> None:
        self._closing.set()
        await self._task

    async def prune(self) -> int:
        """Drop all that is too old or too much: how many batches and sums is the answer. Raises `StoreError`."""
        now = time.time()
        dropped = 0
        until = max(now - self._audit_seconds, await self._audit.horizon(self._audit_rows) or 0.0)
        while step := await self._audit.prune(until):
            dropped += step
            if await self._closed_within(_BREATH):
                return dropped
        while step := await self._usage.prune(now - self._usage_seconds):
            dropped += step
            if await self._closed_within(_BREATH):
                return dropped
        return dropped

    async def _prune_on(self) -> None:
        while not self._closing.is_set():
            try:
                await self.prune()
            except StoreError as error:
                _log.warning("what was recorded long ago cannot be dropped now: %s", error)
            await self._closed_within(_EVERY)

    async def _closed_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()
