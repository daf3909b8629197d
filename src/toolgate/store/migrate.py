"""Brings a database to the shape that `tables` describes."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from toolgate.errors import StoreError
from toolgate.store.shape import HEAD

__all__ = ["FOLDER", "upgrade"]

FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x7001_6A7E
"""Names this migration among PostgreSQL's advisory locks."""


def upgrade(connection: Connection) -> None:
    """Inside the connection's transaction, so that two processes that start together come one after the other:
    SQLite's is a writing one from its start, PostgreSQL takes an advisory lock. Raises `StoreError` where a newer
    Toolgate has been here."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise StoreError(
            f"the database was last used by a newer Toolgate: {error}",
            hint="install that version or a later one, or name another database",
        ) from error
