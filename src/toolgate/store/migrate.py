"""Brings a database to the shape that `tables` describes."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from toolgate.errors import StoreError
from toolgate.store.shape import HEAD, lock

__all__ = ["FOLDER", "upgrade"]

FOLDER: Final = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Inside the connection's transaction. Raises `StoreError` where a newer Toolgate has been here."""
    lock(connection)
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
