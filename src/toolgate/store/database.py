"""The database: SQLite in the user's state folder, or PostgreSQL. Nothing on the road of a call waits for it."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from toolgate.errors import StoreError
from toolgate.store.folder import private_folder
from toolgate.store.shape import create, is_current, lock

__all__ = ["Database"]

_FILE: Final = "toolgate.db"
_BUSY: Final = 30.0  # seconds that one process waits for another's write
_DAMAGE: Final = ("file is not a database", "malformed", "disk image", "unsupported file format")


class Database:
    """An open database in its newest shape."""

    def __init__(self, engine: AsyncEngine, place: str) -> None:
        self.place = place
        """The file, or the address without its password."""
        self._engine = engine

    @classmethod
    async def open(cls, url: str, state: Path) -> Self:
        """`sqlite` (in the state folder), `sqlite:///file` or `postgresql://…`. Migrates; any number of processes may
        open at once. Raises `StoreError`, which says which file or address and what to do."""
        address = _address(url, state)
        place = address.database or "" if _is_sqlite(address) else address.render_as_string(hide_password=True)
        if _is_sqlite(address):
            await asyncio.to_thread(_prepare_file, Path(place))
        database = cls(_engine(address), place)
        try:
            await database._migrate()
        except BaseException:
            await database.close()
            raise
        return database

    async def _migrate(self) -> None:
        async with self.reading() as connection:
            if await connection.run_sync(is_current):
                return
        async with self.writing() as connection:
            await connection.run_sync(lock)
            if await connection.run_sync(create):
                return
        migrate = await asyncio.to_thread(import_module, "toolgate.store.migrate")  # Alembic: a second
        async with self.writing() as connection:
            await connection.run_sync(migrate.upgrade)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        with _Explained(self.place):
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, patience: float = _BUSY) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: on SQLite it holds the write lock from its first moment, because one that takes
        it half-way fails at once where another has written meanwhile. `patience` is how many seconds it waits for that
        lock. It should not be cancelled meanwhile: the driver hears of it only after that."""
        with _Explained(self.place):
            async with self._engine.execution_options(patience=patience).begin() as connection:
                yield connection

    async def close(self) -> None:
        await self._engine.dispose()


class _Explained:
    """Turns what a driver says about a whole database into `StoreError`. Violated constraints pass as they are: they
    are about a row, and the repository knows which."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
            raise _explain(self._place, str(error.orig)) from error
        if isinstance(error, OSError):
            raise _explain(self._place, str(error)) from error


def _explain(place: str, reason: str) -> StoreError:
    if any(sign in reason for sign in _DAMAGE):
        return StoreError(
            f"the database {place} is damaged: {reason}",
            hint=f"move {place} (and {place}-wal, {place}-shm if they exist) away and start again: "
            "a new one is made; keys have to be created anew",
        )
    return StoreError(
        f"the database {place} cannot be used: {reason}",
        hint="see that it is there, readable and writable, and that its disk is not full; "
        "`database` in toolgate.yaml or TOOLGATE_STATE name another place",
    )


def _address(url: str, state: Path) -> URL:
    if url == "sqlite":
        return URL.create("sqlite+aiosqlite", database=str(private_folder(state) / _FILE))
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise StoreError(
            "the setting `database` is not an address", hint="write sqlite, sqlite:///file or postgresql://…"
        ) from error
    if address.drivername == "sqlite":
        return address.set(drivername="sqlite+aiosqlite")
    if address.drivername in ("postgres", "postgresql"):
        return address.set(drivername="postgresql+asyncpg")
    return address


def _is_sqlite(address: URL) -> bool:
    return address.get_backend_name() == "sqlite"


def _engine(address: URL) -> AsyncEngine:
    try:
        engine = create_async_engine(address, pool_pre_ping=not _is_sqlite(address))
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"there is no driver for {address.drivername} here: {error}",
            hint="write sqlite, or postgresql://… after `pip install asyncpg`",
        ) from error
    if _is_sqlite(address):
        event.listen(engine.sync_engine, "connect", _on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own, late BEGIN would take neither DDL nor the lock in
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    patience = connection.get_execution_options().get("patience")
    if patience is None:
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(patience * 1000)}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_file(file: Path) -> None:
    """Make the file private and its journal a write-ahead log. The mode belongs to the file: once is enough."""
    with _Explained(str(file)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.chmod(0o600)
    deadline = time.monotonic() + _BUSY
    while True:
        try:
            _write_ahead(file)
        except sqlite3.OperationalError as error:
            # Changing the mode does not wait for others as other statements do.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise _explain(str(file), str(error)) from error
            time.sleep(0.02)  # on a thread of its own
        except sqlite3.DatabaseError as error:
            raise _explain(str(file), str(error)) from error
        else:
            return


def _write_ahead(file: Path) -> None:
    connection = sqlite3.connect(file, timeout=_BUSY)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT count(*) FROM sqlite_schema")
    finally:
        connection.close()
