import asyncio
import re
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from toolgate.errors import StoreError
from toolgate.store.database import Database
from toolgate.store.migrate import FOLDER, upgrade
from toolgate.store.shape import HEAD, create, is_current
from toolgate.store.tables import metadata

OPEN = """
import asyncio, sys
from pathlib import Path
from toolgate.store.database import Database

async def main():
    database = await Database.open("sqlite", Path(sys.argv[1]))
    await database.close()

asyncio.run(main())
"""


async def test_an_empty_folder_gets_a_private_database_in_its_newest_shape(tmp_path: Path) -> None:
    state = tmp_path / "state"
    database = await Database.open("sqlite", state)
    try:
        async with database.reading() as connection:
            assert await connection.run_sync(is_current)
            assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
            assert await connection.scalar(text("PRAGMA busy_timeout")) == 30_000
    finally:
        await database.close()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in state.iterdir()} == {0o600}


def test_tables_and_migrations_say_the_same(tmp_path: Path) -> None:
    with create_engine(f"sqlite:///{tmp_path / 'toolgate.db'}").begin() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert is_current(connection)


def test_a_new_database_has_what_the_migrations_would_have_made(tmp_path: Path) -> None:
    def made(name: str, make: Callable[[Connection], object]) -> dict[str, list[str]]:
        with create_engine(f"sqlite:///{tmp_path / name}").begin() as connection:
            make(connection)
            rows = connection.execute(text("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")).all()
            # A migrated table may have its columns in another order.
            return {row.name: sorted(re.split(r"[\s(),]+", row.sql)) for row in rows}

    assert made("at-once", create) == made("migrated", upgrade)


def test_the_head_that_is_known_without_alembic_is_alembics() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, str(tmp_path), stderr=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, errors) == (0, b"")


async def test_neither_a_new_nor_a_current_database_needs_alembic(tmp_path: Path) -> None:
    code = OPEN + "\nassert 'alembic' not in sys.modules"
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path))
        assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest.mark.parametrize("damage", ["all of it", "a page"])
async def test_a_damaged_file_is_named_together_with_the_way_out(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "toolgate.db"
    await (await Database.open("sqlite", tmp_path)).close()
    content = bytearray(file.read_bytes())
    content[slice(None) if damage == "all of it" else slice(100, 4096)] = b"#" * (
        len(content) if damage == "all of it" else 3996
    )
    file.write_bytes(content)
    with pytest.raises(StoreError) as raised:
        await Database.open("sqlite", tmp_path)
    assert str(file) in raised.value.message
    assert "damaged" in raised.value.message
    assert "move" in raised.value.hint


async def test_a_database_of_a_newer_toolgate_is_left_alone(tmp_path: Path) -> None:
    await (await Database.open("sqlite", tmp_path)).close()
    with sqlite3.connect(tmp_path / "toolgate.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer Toolgate"):
        await Database.open("sqlite", tmp_path)


async def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not an address") as raised:
        await Database.open("my database", tmp_path)
    assert "sqlite" in raised.value.hint


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="state folder") as raised:
        await Database.open("sqlite", tmp_path / "file" / "state")
    assert "TOOLGATE_STATE" in raised.value.hint


async def test_a_password_is_not_in_the_place_that_is_shown() -> None:
    with pytest.raises(StoreError) as raised:
        await Database.open("postgresql://me:very-secret@127.0.0.1:1/none", Path("unused"))
    assert "very-secret" not in raised.value.message + raised.value.hint
