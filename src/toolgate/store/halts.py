"""Servers that a person has stopped: they stay so until a person starts them, whatever restarts meanwhile."""

import time
from typing import Self

from sqlalchemy import delete, insert, select

from toolgate.store.database import Database
from toolgate.store.tables import halts

__all__ = ["Halts"]


class Halts:
    """Without a database it remembers for as long as it lives."""

    def __init__(self, database: Database | None = None) -> None:
        self._database = database
        self._known: dict[str, str] = {}

    @classmethod
    async def open(cls, database: Database) -> Self:
        """Raises `StoreError`."""
        opened = cls(database)
        async with database.reading() as connection:
            rows = (await connection.execute(select(halts.c.server, halts.c.actor))).all()
        opened._known = {row.server: row.actor for row in rows}
        return opened

    def by(self, server: str) -> str:
        """Who has stopped it; empty where nobody has."""
        return self._known.get(server, "")

    async def note(self, server: str, actor: str) -> None:
        """Raises `StoreError`; it holds for this run nevertheless."""
        self._known[server] = actor
        if self._database is None:
            return
        async with self._database.writing() as connection:
            await connection.execute(delete(halts).where(halts.c.server == server))
            await connection.execute(insert(halts).values(server=server, actor=actor, at=time.time()))

    async def forget(self, server: str) -> None:
        """Raises `StoreError`; it holds for this run nevertheless."""
        if self._known.pop(server, None) is None or self._database is None:
            return
        async with self._database.writing() as connection:
            await connection.execute(delete(halts).where(halts.c.server == server))
