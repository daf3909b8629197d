"""The repository of what was called."""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Select, delete, func, insert, select

from toolgate.store.batch import Record, Recorded, marked, pack, unpack
from toolgate.store.database import Database
from toolgate.store.tables import audit

__all__ = ["PATIENCE", "AuditLog", "Found", "Search"]

PATIENCE: Final = 2.0
"""Seconds that these wait for another's write: who calls keeps what could not be written, and tries again."""

_LONGEST: Final = 3.0
"""Seconds of a search."""
_SPAN: Final = 20_000
"""Numbers of batches that one query looks at: some milliseconds, so that the search sees in time that it has to end."""
_ROWS: Final = 500
_RECORDS: Final = 2000
"""That are unpacked in one go, which the event loop waits for: a millisecond; or one batch, if it has more."""
_PATTERN: Final = 256
"""Characters of a name that batches are chosen by; SQLite refuses patterns of 50,000."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; empty and None mean any. `principal` is an id or a name, `since` seconds since the epoch."""

    server: str = ""
    principal: str = ""
    outcome: str = ""
    since: float | None = None
    most: int = 50


class Found(NamedTuple):
    """`back_to` is None where all were looked at that could match; else the search took too long, and got no further
    back than to this moment, in seconds since the epoch."""

    records: list[dict[str, Any]]
    back_to: float | None = None


class _Batch(NamedTuple):
    id: int
    calls: int


class _Page(NamedTuple):
    """Batches that may match, the newest first, among all from number `low` to those of the page before."""

    low: int
    batches: list[_Batch]


class AuditLog:
    """All records, in the order that they were written in. Only whole batches are ever written or dropped, and none is
    changed: one that a quiet gateway writes may have a single record, and stays as small as that."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, records: Sequence[Recorded]) -> None:
        """One batch: all or none."""
        if records:
            packed = pack(records)
            async with self._database.writing(PATIENCE) as connection:
                await connection.execute(_INSERTION, packed)

    async def search(self, wanted: Search, longest: float = _LONGEST) -> Found:
        """The last `most` that match, oldest first. Takes not much more than `longest` seconds."""
        until = time.monotonic() + longest
        found: list[Record] = []
        async for page in self._pages(wanted):
            for group in _groups(page.batches):
                for packed in await self._packed(group):
                    found += _matching(unpack(packed), wanted)
                if len(found) >= wanted.most:
                    return Found(_told(found[: wanted.most]))
                if time.monotonic() > until:
                    return Found(_told(found), await self._moment(group[-1].id))
            if time.monotonic() > until:
                return Found(_told(found), await self._moment(page.low))
        return Found(_told(found))

    async def horizon(self, most: int) -> float | None:
        """The moment of which it is true that the batches that ended after it have at least `most` records; None where
        there are no others."""
        newer = func.sum(audit.c.calls).over(order_by=(audit.c.last_at.desc(), audit.c.id.desc()), rows=(None, 0))
        ranked = select(audit.c.last_at, (newer - audit.c.calls).label("newer")).subquery()
        beyond = select(ranked.c.last_at).where(ranked.c.newer >= most).order_by(ranked.c.last_at.desc()).limit(1)
        async with self._database.reading() as connection:
            if (await connection.scalar(select(func.sum(audit.c.calls))) or 0) <= most:
                return None
            moment: float | None = await connection.scalar(beyond)
            return moment

    async def prune(self, until: float, step: int = 20) -> int:
        """Drop the oldest batches that ended at `until` (seconds since the epoch) or before, but no more than `step`:
        how many is the answer."""
        old = select(audit.c.id).where(audit.c.last_at <= until).order_by(audit.c.last_at).limit(step)
        async with self._database.writing(PATIENCE) as connection:
            return (await connection.execute(delete(audit).where(audit.c.id.in_(old.scalar_subquery())))).rowcount

    async def _pages(self, wanted: Search) -> AsyncIterator[_Page]:
        conditions = _conditions(wanted)
        async with self._database.reading() as connection:
            high = await connection.scalar(select(func.max(audit.c.id)))
            lowest = await connection.scalar(_lowest(wanted.since))
        while lowest is not None and high >= lowest:
            low = max(lowest, high - _SPAN + 1)
            query = select(audit.c.id, audit.c.calls).where(audit.c.id.between(low, high), *conditions)
            async with self._database.reading() as connection:
                rows = (await connection.execute(query.order_by(audit.c.id.desc()).limit(_ROWS))).all()
            batches = [_Batch(*row) for row in rows]
            low = batches[-1].id if len(batches) == _ROWS else low
            yield _Page(low, batches)
            high = low - 1

    async def _packed(self, batches: Iterable[_Batch]) -> Sequence[bytes]:
        ids = [batch.id for batch in batches]
        async with self._database.reading() as connection:
            query = select(audit.c.records).where(audit.c.id.in_(ids)).order_by(audit.c.id.desc())
            return (await connection.scalars(query)).all()

    async def _moment(self, number: int) -> float | None:
        """When the batches from this one on began."""
        async with self._database.reading() as connection:
            query = select(audit.c.first_at).where(audit.c.id >= number).order_by(audit.c.id).limit(1)
            moment: float | None = await connection.scalar(query)
            return moment


_INSERTION: Final = insert(audit).inline()  # nobody asks for the new number


def _lowest(since: float | None) -> Select[tuple[int]]:
    if since is None:
        return select(func.min(audit.c.id))
    # The sum keeps databases from walking up the numbers until there is one: old batches may be millions.
    return select(func.min(audit.c.id + 0)).where(audit.c.last_at >= since)


def _conditions(wanted: Search) -> list[ColumnElement[bool]]:
    """Those that a batch with a record that matches has to meet."""
    conditions = [
        column.contains(marked(name)[:_PATTERN], autoescape=True)
        for column, name in (
            (audit.c.servers, wanted.server),
            (audit.c.principals, wanted.principal),
            (audit.c.outcomes, wanted.outcome),
        )
        if name
    ]
    if wanted.since is not None:
        conditions.append(audit.c.last_at >= wanted.since)
    return conditions


def _groups(batches: Iterable[_Batch]) -> Iterator[list[_Batch]]:
    group: list[_Batch] = []
    records = 0
    for batch in batches:
        if group and records + batch.calls > _RECORDS:
            yield group
            group, records = [], 0
        group.append(batch)
        records += batch.calls
    if group:
        yield group


def _matching(records: list[Record], wanted: Search) -> list[Record]:
    """The newest first."""
    server, principal, outcome, since = wanted.server, wanted.principal, wanted.outcome, wanted.since
    return [
        record
        for record in reversed(records)
        if (not server or record.server == server)
        and (not principal or principal in (record.principal, record.principal_name))
        and (not outcome or record.outcome == outcome)
        and (since is None or record.at >= since)
    ]


def _told(records: list[Record]) -> list[dict[str, Any]]:
    return [asdict(record) for record in reversed(records)]
