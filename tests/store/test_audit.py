"""The audit log finds what it was given, and drops the oldest first."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import astuple
from sqlalchemy.dialects.postgresql import asyncpg

from tests.recording.calls import NOON, a_call
from toolgate.observe.recorded import Recorded
from toolgate.store import audit
from toolgate.store.audit import AUDIT_FIELDS, AuditLog, Search
from toolgate.store.database import Database


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    database = await Database.open("sqlite", tmp_path)
    yield AuditLog(database)
    await database.close()


async def names(log: AuditLog, **wanted: Any) -> list[str]:
    return [row["name"] for row in await log.search(Search(**wanted))]


async def fill(log: AuditLog, *records: Recorded) -> None:
    await log.add([astuple(record) for record in records])


def test_a_row_is_a_record() -> None:
    assert Recorded.__struct_fields__ == AUDIT_FIELDS


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 500, 1049])
async def test_everything_comes_back_as_it_was_in_its_order(log: AuditLog, count: int) -> None:
    records = [a_call(str(number), at=NOON + number, cached=number % 2 == 0) for number in range(count)]
    await fill(log, *records)
    assert [Recorded(**row) for row in await log.search(Search(most=2000))] == records


async def test_a_batch_is_written_whole_or_not_at_all(log: AuditLog) -> None:
    rows = [astuple(a_call(str(number))) for number in range(60)]
    rows[59] = (*rows[59][:-1], None)
    with pytest.raises(Exception, match="NOT NULL"):
        await log.add(rows)
    assert await names(log) == []


async def test_a_search_narrows_down(log: AuditLog) -> None:
    await fill(
        log,
        a_call("first"),
        a_call("second", server="time", at=NOON + 1),
        a_call("third", principal="local", at=NOON + 2),
        a_call("fourth", outcome="error", at=NOON + 3),
    )
    assert await names(log) == ["first", "second", "third", "fourth"]
    assert await names(log, most=2) == ["third", "fourth"]
    assert await names(log, server="time") == ["second"]
    assert await names(log, principal="local") == ["third"]
    assert await names(log, principal="the owner of local") == ["third"]
    assert await names(log, outcome="error") == ["fourth"]
    assert await names(log, since=NOON + 2) == ["third", "fourth"]
    assert await names(log, server="github", outcome="ok", since=NOON + 1) == ["third"]


async def test_what_is_too_old_goes_in_steps(log: AuditLog) -> None:
    await fill(log, *(a_call(str(number), at=NOON + number) for number in range(10)))
    assert [await log.prune(NOON + 5, 100, step=3) for _ in range(3)] == [3, 2, 0]
    assert await names(log) == ["5", "6", "7", "8", "9"]


async def test_what_is_too_much_goes_oldest_first(log: AuditLog) -> None:
    await fill(log, *(a_call(str(number)) for number in range(10)))
    assert await log.prune(0, 4) == 6
    assert await names(log) == ["6", "7", "8", "9"]


async def test_the_search_by_time_reads_an_index(log: AuditLog, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "toolgate.db") as connection:
        plan = connection.execute("EXPLAIN QUERY PLAN SELECT id FROM audit WHERE at < 1 ORDER BY at LIMIT 9").fetchall()
    connection.close()
    assert "ix_audit_at" in str(plan)


def test_postgresql_gets_its_own_words() -> None:
    insertion = audit._insertion(asyncpg.dialect())  # type: ignore[no-untyped-call]
    assert insertion.startswith("INSERT INTO audit (at, seconds,")
    assert insertion.endswith("$15::BOOLEAN)")
    found = str(audit._found(Search("a", "b", "c", 1.0)).compile(dialect=asyncpg.dialect()))  # type: ignore[no-untyped-call]
    assert "LIMIT $6" in found
