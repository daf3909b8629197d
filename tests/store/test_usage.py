"""Sums grow in the database, whoever adds to them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.dialects.postgresql import asyncpg

from tests.recording.calls import NOON, a_call
from toolgate.model.usage import HOUR, LATENCIES, Tally, UsageRow, total
from toolgate.observe.recorded import Recorded
from toolgate.observe.usage import Usage
from toolgate.store import usage
from toolgate.store.database import Database
from toolgate.store.tables import LATENCY_COLUMNS
from toolgate.store.usage import UsageTable


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[UsageTable]:
    database = await Database.open("sqlite", tmp_path)
    yield UsageTable(database)
    await database.close()


def summed(*records: Recorded) -> list[UsageRow]:
    usage = Usage()
    for record in records:
        usage.add(record)
    return usage.take()


async def whole(table: UsageTable) -> Tally:
    return total(tally for _, tally in await table.read((), 0))


def test_there_is_a_column_for_each_bucket() -> None:
    assert len(LATENCY_COLUMNS) == len(LATENCIES) + 1 == 16


async def test_an_empty_table_has_no_sums(table: UsageTable) -> None:
    assert await table.read((), 0) == []
    assert await table.read(("server",), 0) == []
    assert await table.began() is None
    assert await table.prune(NOON) == 0


async def test_what_is_added_twice_counts_twice(table: UsageTable) -> None:
    rows = summed(a_call(), a_call(outcome="failed", seconds=3, cached=True), a_call("other", outcome="cancelled"))
    expected = total(tally for _, tally in [*rows, *rows])
    await table.add(rows)
    await table.add(rows)
    assert await whole(table) == expected


@pytest.mark.parametrize("count", [1, 50, 551])
async def test_however_many_rows_there_are_each_is_added_to(table: UsageTable, count: int) -> None:
    rows = summed(*(a_call(str(number)) for number in range(count)))
    await table.add(rows)
    await table.add(rows[::-1])
    assert {key: tally.calls for key, tally in await table.read(("name",), 0)} == {
        (str(number),): 2 for number in range(count)
    }


async def test_two_processes_add_to_the_same_rows(tmp_path: Path) -> None:
    databases = [await Database.open("sqlite", tmp_path) for _ in range(2)]
    tables = [UsageTable(database) for database in databases]
    async with asyncio.timeout(30):
        await asyncio.gather(*(table.add(summed(a_call(), a_call("read"))) for table in tables for _ in range(20)))
    assert {key: tally.calls for key, tally in await tables[0].read(("name",), 0)} == {("read",): 40, ("search",): 40}
    for database in databases:
        await database.close()


async def test_sums_are_told_by_what_is_asked_for_the_most_called_first(table: UsageTable) -> None:
    later = NOON + HOUR
    await table.add(summed(a_call(), a_call("read", at=later), a_call("read", at=later, principal="local")))
    assert [(key, tally.calls) for key, tally in await table.read(("server", "name"), 0)] == [
        (("github", "read"), 2),
        (("github", "search"), 1),
    ]
    assert [(key, tally.calls) for key, tally in await table.read(("hour",), 0)] == [((later,), 2), ((NOON,), 1)]
    assert [(key, tally.calls) for key, tally in await table.read(("name",), later)] == [(("read",), 2)]
    assert [(key, tally.calls) for key, tally in await table.read(("name",), 0, later)] == [(("search",), 1)]


async def test_old_hours_go_one_by_one(table: UsageTable) -> None:
    await table.add(summed(a_call(), a_call("read"), a_call(at=NOON + HOUR), a_call(at=NOON + 2 * HOUR)))
    assert [await table.prune(NOON + 2 * HOUR) for _ in range(3)] == [2, 1, 0]
    assert await table.began() == NOON + 2 * HOUR


def test_postgresql_adds_up_too() -> None:
    statement = usage._addition(asyncpg.dialect())  # type: ignore[no-untyped-call]
    assert "ON CONFLICT (hour, principal, principal_name, team, server, method, name) DO UPDATE" in statement
    assert "latency_15 = (usage.latency_15 + excluded.latency_15)" in statement
