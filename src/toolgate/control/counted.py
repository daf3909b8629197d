"""How connections are used and what state they are in, written behind the calls."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from toolgate.errors import StoreError
from toolgate.model.connection import Connection
from toolgate.observe.recorded import Recorded
from toolgate.store.connections import ConnectionRows, Used

__all__ = ["Counted"]

_EVERY: Final = 2.0  # seconds between two writings
_TOOLS: Final = 1000  # of a connection that are counted between two writings
_METHOD: Final = "tools/call"
_NEVER_SENT: Final = frozenset({"forbidden", "rate-limited", "overloaded", "invalid-params", "audit-full"})

_log = logging.getLogger(__name__)

State = tuple[str, tuple[str, ...]]
"""Of a connection, and the names of its tools."""


class Counted:
    """`take` is a sink of the recorder, for all calls; `states` tells (id, state), where this process tells it at
    all."""

    def __init__(
        self, rows: ConnectionRows, states: Callable[[Sequence[Connection]], Iterable[tuple[str, State]]] | None
    ) -> None:
        self._rows = rows
        self._states = states
        self._connections: Sequence[Connection] = ()
        self._ids: dict[str, str] = {}
        self._calls: dict[str, dict[str, Used]] = {}
        self._written: dict[str, State] = {}
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writer = asyncio.create_task(self._write_on(), name="connection-writer")

    def keep(self, connections: Sequence[Connection]) -> None:
        """These are the connections now."""
        self._connections = connections
        self._ids = {one.server: one.id for one in connections}
        self._written = {one.id: (one.status, one.tools) for one in connections}
        self._changed.set()

    def take(self, recorded: Recorded) -> None:
        id_ = self._ids.get(recorded.server)
        if id_ is None or recorded.method != _METHOD or recorded.outcome in _NEVER_SENT:
            return
        calls = self._calls.setdefault(id_, {})
        used = calls.get(recorded.name)
        if used is None:
            if len(calls) >= _TOOLS:
                return
            used = calls[recorded.name] = Used()
        used.calls += 1
        used.last = max(used.last, recorded.at)
        self._changed.set()

    def changed(self) -> None:
        """A state may have."""
        self._changed.set()

    async def flush(self) -> None:
        """Write what is not written yet. Raises `StoreError`; then it is written the next time."""
        calls, self._calls = self._calls, {}
        try:
            if calls:
                await self._rows.used({(id_, tool): used for id_, one in calls.items() for tool, used in one.items()})
                calls = {}
            # At the end all servers have stopped, which says nothing of the connections.
            tell = None if self._closing.is_set() else self._states
            states = dict(tell(self._connections)) if tell is not None else {}
            if fresh := {id_: state for id_, state in states.items() if self._written.get(id_) != state}:
                await self._rows.seen(fresh)
                self._written |= fresh
        finally:
            self._put_back(calls)

    async def close(self) -> None:
        """Write what is left."""
        self._closing.set()
        self._changed.set()
        if self._writer is not None:
            await self._writer

    def _put_back(self, calls: dict[str, dict[str, Used]]) -> None:
        for id_, one in calls.items():
            known = self._calls.setdefault(id_, {})
            for tool, used in one.items():
                again = known.setdefault(tool, Used())
                again.calls += used.calls
                again.last = max(again.last, used.last)

    async def _write_on(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            closing = self._closing.is_set()  # before the writing, which is then the last
            try:
                await self.flush()
            except StoreError as error:
                _log.warning("how connections are used is not written yet: %s", error)
                self._changed.set()
            if closing:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._closing.wait()
