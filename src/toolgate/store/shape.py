"""Which shape a database is in, told and made without Alembic, whose import takes a second and 10 MB for good."""

from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select, text

from toolgate.store.tables import metadata, say_to

__all__ = ["HEAD", "create", "is_current", "lock"]

HEAD: Final = "0006"
"""The newest revision under `migrations/versions`."""

_LOCK: Final = 0x7001_6A7E
"""Names the making of tables among PostgreSQL's advisory locks."""

# As Alembic makes it; it belongs to none of ours, so that the tables can be compared with the migrations.
_version: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
_version.primary_key.name = "alembic_version_pkc"


def is_current(connection: Connection) -> bool:
    if not inspect(connection).has_table(_version.name):
        return False
    return connection.scalars(select(_version.c.version_num)).all() == [HEAD]


def create(connection: Connection) -> bool:
    """Make all tables where there is none of them: the newest shape at once. The answer says whether the database is
    in it now. Needs `lock`."""
    existing = inspect(connection)
    if any(existing.has_table(name) for name in (_version.name, *metadata.tables)):
        return is_current(connection)
    say_to(connection.dialect.name)
    metadata.create_all(connection)
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=HEAD))
    return True


def lock(connection: Connection) -> None:
    """Let processes that start together come one after the other, to the end of the transaction: SQLite's is a writing
    one from its start, PostgreSQL takes an advisory lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
