import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from toolgate.catalog.memory import CatalogueMemory
from toolgate.catalog.remembered import Remembered
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.protocol.eras import Era
from toolgate.store.catalogues import KEPT, Catalogues, SeenServer
from toolgate.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path)
    yield database
    await database.close()


def remembered(tool: str) -> Remembered:
    raw = b'{"name":"' + tool.encode() + b'","big":123456789012345678901234567890,"x":{"later":[1.50]}}'
    return Remembered(
        Era.MODERN,
        Catalogue(
            {Kind.TOOLS: (Item(tool, raw),)},
            {"tools": {"listChanged": True}},
            {"name": "it"},
            "be kind",
            {"tools/list": b'{"odd":1.50,"_meta":{"a/b":1}}'},
        ),
    )


async def test_what_was_learnt_is_there_after_a_restart_byte_by_byte(database: Database) -> None:
    memory = await CatalogueMemory.open(database)
    memory.remember("print", remembered("one"))
    await memory.close()
    again = await CatalogueMemory.open(database)
    assert again.recall("print") == remembered("one")
    assert again.recall("other") is None
    await again.close()


async def test_it_is_recalled_at_once_and_the_last_of_many_is_what_is_written(database: Database) -> None:
    memory = await CatalogueMemory.open(database)
    for number in range(50):
        memory.remember("print", remembered(str(number)))
        assert memory.recall("print") == remembered(str(number))
    await memory.close()
    rows = await Catalogues(database).all()
    assert len(rows) == 1
    assert b'"49"' in rows[0].catalogue


async def test_a_server_not_seen_for_long_is_forgotten(database: Database) -> None:
    now = time.time()
    await Catalogues(database).put(
        [SeenServer("old", "modern", b"{}", now - KEPT - 1), SeenServer("young", "modern", b"{}", now)]
    )
    await (await CatalogueMemory.open(database)).close()
    assert [row.fingerprint for row in await Catalogues(database).all()] == ["young"]


async def test_a_row_that_cannot_be_read_is_reported_and_asked_for_anew(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await Catalogues(database).put([SeenServer("print", "future", b'{"shape":2}', time.time())])
    memory = await CatalogueMemory.open(database)
    assert memory.recall("print") is None
    assert "asked for anew" in caplog.text
    await memory.close()


async def test_a_failing_write_is_reported_and_the_next_one_tried(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    memory = await CatalogueMemory.open(database)
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE catalogues RENAME TO elsewhere"))
    memory.remember("print", remembered("one"))
    while "not kept" not in caplog.text:
        await database_turn(database)
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO catalogues"))
    memory.remember("print", remembered("two"))
    await memory.close()
    assert len(await Catalogues(database).all()) == 1


async def database_turn(database: Database) -> None:
    """Let the writer have its turn at the database."""
    async with database.writing():
        pass


async def test_what_was_remembered_before_there_was_more_to_remember_is_read(database: Database) -> None:
    stored = b'{"items":{},"capabilities":{},"server_info":{"name":"it"},"instructions":""}'
    await Catalogues(database).put([SeenServer("print", "modern", stored, time.time())])
    memory = await CatalogueMemory.open(database)
    assert memory.recall("print") == Remembered(Era.MODERN, Catalogue({}, server_info={"name": "it"}))
    await memory.close()
