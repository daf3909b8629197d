"""The repository of API keys. It holds what a key's secret hashes to, never the secret."""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from toolgate.store.database import Database
from toolgate.store.tables import api_keys

__all__ = ["ApiKey", "Keys"]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Times are seconds since the epoch. `id` is the public part of the key, `digest` the SHA-256 of the whole key."""

    id: str
    name: str
    digest: bytes = field(repr=False)
    created: float
    expires: float | None = None
    revoked: float | None = None
    last_used: float | None = None
    teams: tuple[str, ...] = ()
    """In alphabetical order; none has a comma."""

    def is_live(self, now: float) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)


class Keys:
    """All keys that were ever made, in the order they were made in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> bool:
        """False where a key that is not revoked has the name already."""
        values = {name: getattr(key, name) for name in ApiKey.__slots__} | {"teams": ",".join(key.teams)}
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(api_keys).values(**values, revision=1))
        except IntegrityError:
            return False
        return True

    async def all(self) -> list[ApiKey]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(api_keys).order_by(api_keys.c.created, api_keys.c.id))
            return [_key(row) for row in rows.mappings()]

    async def revoke(self, name: str, now: float) -> list[ApiKey]:
        """Revoke the key of this id or name; the answer has what was revoked now."""
        chosen = or_(api_keys.c.id == name, api_keys.c.name == name) & api_keys.c.revoked.is_(None)
        async with self._database.writing() as connection:
            rows = await connection.execute(select(api_keys).where(chosen))
            found = [replace(_key(row), revoked=now) for row in rows.mappings()]
            await connection.execute(
                update(api_keys).where(chosen).values(revoked=now, revision=api_keys.c.revision + 1)
            )
        return found

    async def revision(self) -> int:
        """Grows with every key made or revoked, whichever process did it."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.coalesce(func.sum(api_keys.c.revision), 0))) or 0

    async def used(self, times: dict[str, float]) -> None:
        """Note when each key, by id, was last used."""
        async with self._database.writing() as connection:
            for key, time in times.items():
                await connection.execute(update(api_keys).where(api_keys.c.id == key).values(last_used=time))


def _key(row: Any) -> ApiKey:
    values = {name: row[name] for name in ApiKey.__slots__}
    return ApiKey(**values | {"teams": tuple(filter(None, row["teams"].split(",")))})
