"""The repository of what was last seen of each server."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from toolgate.store.database import Database
from toolgate.store.tables import catalogues

__all__ = ["KEPT", "Catalogues", "SeenServer"]

KEPT: Final = 30 * 24 * 3600.0  # seconds that a server is remembered after it was last seen


@dataclass(frozen=True, slots=True)
class SeenServer:
    """`catalogue` is JSON. `seen_at` is in seconds since the epoch."""

    fingerprint: str
    era: str
    catalogue: bytes
    seen_at: float


class Catalogues:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[SeenServer]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(catalogues).order_by(catalogues.c.seen_at))
            return [SeenServer(**row) for row in rows.mappings()]

    async def put(self, seen: Iterable[SeenServer]) -> None:
        """Each takes the place of the earlier one with its fingerprint."""
        async with self._database.writing() as connection:
            for server in seen:
                await _put(connection, server)

    async def forget(self, before: float) -> None:
        """Drop what was not seen since, in seconds since the epoch."""
        async with self._database.writing() as connection:
            await connection.execute(delete(catalogues).where(catalogues.c.seen_at < before))


async def _put(connection: AsyncConnection, server: SeenServer) -> None:
    values = {"era": server.era, "catalogue": server.catalogue, "seen_at": server.seen_at}
    mine = catalogues.c.fingerprint == server.fingerprint
    if (await connection.execute(update(catalogues).where(mine).values(**values))).rowcount == 0:
        await connection.execute(insert(catalogues).values(fingerprint=server.fingerprint, **values))
