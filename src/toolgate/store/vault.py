"""The repository of sealed secrets. It moves what it cannot read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from toolgate.store.database import Database
from toolgate.store.tables import vault

__all__ = ["SealedSecret", "SealedSecrets"]

_STEP: Final = 500  # rows read in one go


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """One version of a secret. `scope` is whom it belongs to, `master` the id of the master key that `wrapped` is
    under; `created` is in seconds since the epoch."""

    id: str
    scope: str
    name: str
    version: int
    master: str
    wrapped: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    body: bytes = field(repr=False)
    created: float


_COLUMNS: Final = [vault.c[name] for name in SealedSecret.__slots__]


class SealedSecrets:
    """Methods that take a connection work within its transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def get(self, scope: str, name: str, version: int | None = None) -> SealedSecret | None:
        """The newest version, or this one."""
        chosen = select(*_COLUMNS).where(_named(scope, name)).order_by(vault.c.version.desc()).limit(1)
        if version is not None:
            chosen = chosen.where(vault.c.version == version)
        async with self.database.reading() as connection:
            row = (await connection.execute(chosen)).mappings().first()
        return SealedSecret(**row) if row is not None else None

    async def names(self, scope: str) -> list[str]:
        chosen = select(vault.c.name).where(vault.c.scope == scope).distinct().order_by(vault.c.name)
        async with self.database.reading() as connection:
            return list((await connection.scalars(chosen)).all())

    async def all_names(self) -> list[tuple[str, str, int]]:
        """(scope, name, newest version), sorted."""
        newest = func.max(vault.c.version)
        chosen = select(vault.c.scope, vault.c.name, newest).group_by(vault.c.scope, vault.c.name)
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(chosen.order_by(vault.c.scope, vault.c.name))]

    async def versions(self, scope: str, name: str) -> list[tuple[int, float]]:
        """(version, when it was made), oldest first."""
        chosen = select(vault.c.version, vault.c.created).where(_named(scope, name)).order_by(vault.c.version)
        async with self.database.reading() as connection:
            return [(row.version, row.created) for row in await connection.execute(chosen)]

    async def any(self) -> bool:
        async with self.database.reading() as connection:
            return await connection.scalar(select(vault.c.id).limit(1)) is not None

    async def master(self, connection: AsyncConnection) -> str | None:
        """The id of the master key that the secrets are under; None where there are none."""
        found: str | None = await connection.scalar(select(vault.c.master).limit(1))
        return found

    async def latest(self, connection: AsyncConnection, scope: str, names: Sequence[str]) -> dict[str, int]:
        """The newest version of each that has one."""
        chosen = (
            select(vault.c.name, func.max(vault.c.version).label("version"))
            .where(vault.c.scope == scope, vault.c.name.in_(names))
            .group_by(vault.c.name)
        )
        return {row.name: row.version for row in await connection.execute(chosen)}

    async def add(self, connection: AsyncConnection, secrets: Sequence[SealedSecret], kept: int) -> None:
        """Of each name, `kept` versions stay. Raises `IntegrityError` where one of them is there already."""
        for secret in secrets:
            await connection.execute(insert(vault).values({name: getattr(secret, name) for name in secret.__slots__}))
            old = and_(_named(secret.scope, secret.name), vault.c.version <= secret.version - kept)
            await connection.execute(delete(vault).where(old))

    async def delete(self, connection: AsyncConnection, scope: str, name: str) -> int:
        """All versions; the answer is how many there were."""
        return (await connection.execute(delete(vault).where(_named(scope, name)))).rowcount

    async def delete_below(self, connection: AsyncConnection, scope: str, prefix: str) -> None:
        """All secrets whose names begin so."""
        below = and_(vault.c.scope == scope, vault.c.name.startswith(prefix, autoescape=True))
        await connection.execute(delete(vault).where(below))

    async def page(self, connection: AsyncConnection, after: str) -> list[SealedSecret]:
        """Some rows, in the order of their ids."""
        chosen = select(*_COLUMNS).where(vault.c.id > after).order_by(vault.c.id).limit(_STEP)
        return [SealedSecret(**row) for row in (await connection.execute(chosen)).mappings()]

    async def rewrapped(self, connection: AsyncConnection, id: str, master: str, wrapped: bytes) -> None:  # noqa: A002
        await connection.execute(update(vault).where(vault.c.id == id).values(master=master, wrapped=wrapped))


def _named(scope: str, name: str) -> Any:
    return and_(vault.c.scope == scope, vault.c.name == name)
