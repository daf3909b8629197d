"""The repository of what was called."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Dialect, Select, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from toolgate.store.bulk import write_rows
from toolgate.store.database import Database
from toolgate.store.tables import audit

__all__ = ["AUDIT_FIELDS", "PATIENCE", "AuditLog", "Search"]

PATIENCE: Final = 2.0
"""Seconds that these wait for another's write: who calls keeps what could not be written, and tries again."""

AUDIT_FIELDS: Final = tuple(column.name for column in audit.columns if column.name != "id")


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; empty and None mean any. `principal` is an id or a name, `since` seconds since the epoch."""

    server: str = ""
    principal: str = ""
    outcome: str = ""
    since: float | None = None
    most: int = 50


class AuditLog:
    """All records, in the order that they were written in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, records: Sequence[tuple[Any, ...]]) -> None:
        """All or none. Each has the values of `AUDIT_FIELDS`, in their order."""
        async with self._database.writing(PATIENCE) as connection:
            await write_rows(connection, _insertion(connection.dialect), records)

    async def search(self, wanted: Search) -> list[dict[str, Any]]:
        """The last `most` that match, oldest first."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(_found(wanted))).mappings().all()
        return [{name: row[name] for name in AUDIT_FIELDS} for row in reversed(rows)]

    async def prune(self, before: float, most: int, step: int = 1000) -> int:
        """Drop the oldest that are older than `before` (seconds since the epoch), or more than `most` in all, but no
        more than `step` for each of the two reasons: how many is the answer."""
        old = select(audit.c.id).where(audit.c.at < before).order_by(audit.c.at).limit(step)
        async with self._database.writing(PATIENCE) as connection:
            dropped = await _drop(connection, old)
            # They are numbered without large gaps, and counting them would read the whole table.
            last = await connection.scalar(select(func.max(audit.c.id))) or 0
            spare = select(audit.c.id).where(audit.c.id <= last - most).order_by(audit.c.id).limit(step)
            return dropped + await _drop(connection, spare)


@lru_cache(maxsize=8)
def _insertion(dialect: Dialect) -> str:
    statement = insert(audit).values(dict.fromkeys(AUDIT_FIELDS)).inline()  # nobody asks for the new ids
    return str(statement.compile(dialect=dialect))


def _found(wanted: Search) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.server:
        conditions.append(audit.c.server == wanted.server)
    if wanted.principal:
        conditions.append((audit.c.principal == wanted.principal) | (audit.c.principal_name == wanted.principal))
    if wanted.outcome:
        conditions.append(audit.c.outcome == wanted.outcome)
    if wanted.since is not None:
        conditions.append(audit.c.at >= wanted.since)
    return select(audit).where(*conditions).order_by(audit.c.id.desc()).limit(wanted.most)


async def _drop(connection: AsyncConnection, chosen: Select[Any]) -> int:
    return (await connection.execute(delete(audit).where(audit.c.id.in_(chosen.scalar_subquery())))).rowcount
