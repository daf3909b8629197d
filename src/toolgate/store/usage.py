"""The repository of what calls add up to."""

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from operator import attrgetter, itemgetter
from typing import Any, Final

from sqlalchemy import Dialect, delete, func, select

from toolgate.model.usage import Tally, UsageKey, UsageRow
from toolgate.store.audit import PATIENCE
from toolgate.store.bulk import write_rows
from toolgate.store.database import Database
from toolgate.store.tables import LATENCY_COLUMNS, usage

__all__ = ["UsageTable"]

_COUNTS: Final = ("ok", "failed", "errors", "refused", "cancelled", "cached", "sent", "received", "seconds")
_SUMS: Final = (*_COUNTS, *LATENCY_COLUMNS)
_counts: Final = attrgetter(*_COUNTS)


class UsageTable:
    """Sums by hour, caller and tool. Any number of processes may add to the same ones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, rows: Sequence[UsageRow]) -> None:
        """All or none."""
        # In one order everywhere, so that two processes on PostgreSQL never wait for each other's rows.
        values = [_values(key, tally) for key, tally in sorted(rows, key=itemgetter(0))]
        async with self._database.writing(PATIENCE) as connection:
            await write_rows(connection, _addition(connection.dialect), values)

    async def read(
        self, by: Sequence[str], since: float, until: float | None = None, method: str = ""
    ) -> list[tuple[tuple[Any, ...], Tally]]:
        """Summed up by these fields of `UsageKey`, the most called first: `(their values, sums)`. Of hours that begin
        at `since` or later, and before `until` (seconds since the epoch); of one `method`, or of all."""
        groups = [usage.c[name] for name in by]
        sums = [func.sum(usage.c[name]).label(name) for name in _SUMS]
        query = select(*groups, *sums).where(usage.c.hour >= since).group_by(*groups)
        if until is not None:
            query = query.where(usage.c.hour < until)
        if method:
            query = query.where(usage.c.method == method)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        found = [(tuple(row[name] for name in by), _tally(row)) for row in rows if row["ok"] is not None]
        return sorted(found, key=lambda item: (-item[1].calls, item[0]))

    async def began(self) -> float | None:
        """The first hour that is known."""
        async with self._database.reading() as connection:
            first: int | None = await connection.scalar(select(func.min(usage.c.hour)))
            return first

    async def prune(self, before: float) -> int:
        """Drop the oldest hour that began before this (seconds since the epoch): how many rows it had."""
        async with self._database.writing(PATIENCE) as connection:
            oldest = await connection.scalar(select(func.min(usage.c.hour)))
            if oldest is None or oldest >= before:
                return 0
            return (await connection.execute(delete(usage).where(usage.c.hour == oldest))).rowcount


@lru_cache(maxsize=8)
def _addition(dialect: Dialect) -> str:
    # Only the one in use is loaded: PostgreSQL's takes 2 MB.
    insertion = import_module(f"sqlalchemy.dialects.{dialect.name}").insert(usage)
    sums = {name: usage.c[name] + insertion.excluded[name] for name in _SUMS}
    row = dict.fromkeys((*UsageKey._fields, *_SUMS))
    statement = insertion.values(row).inline().on_conflict_do_update(index_elements=UsageKey._fields, set_=sums)
    return str(statement.compile(dialect=dialect))


def _values(key: UsageKey, tally: Tally) -> tuple[Any, ...]:
    return (*key, *_counts(tally), *tally.latencies)


def _tally(row: Any) -> Tally:
    counts = {name: int(row[name]) for name in _COUNTS if name != "seconds"}  # PostgreSQL sums to Decimal
    latencies = [int(row[name]) for name in LATENCY_COLUMNS]
    return Tally(**counts, seconds=float(row["seconds"]), latencies=latencies)
