"""Which shape a database is in, told without Alembic, whose import takes a second."""

from typing import Final

from sqlalchemy import Connection, inspect, text

__all__ = ["HEAD", "is_current"]

HEAD: Final = "0004"
"""The newest revision under `migrations/versions`."""


def is_current(connection: Connection) -> bool:
    if not inspect(connection).has_table("alembic_version"):
        return False
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
