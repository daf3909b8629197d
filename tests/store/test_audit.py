"""The audit log finds what it was given, and drops the oldest first."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.dialects.postgresql import asyncpg

from tests.recording.calls import NOON, a_call
from toolgate.errors import StoreError
from toolgate.observe.recorded import Recorded
from toolgate.store import audit
from toolgate.store.audit import AuditLog, Search
from toolgate.store.batch import AUDIT_FIELDS, pack
from toolgate.store.database import Database


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    database = await Database.open("sqlite", tmp_path)
    yield AuditLog(database)
    await database.close()


async def names(log: AuditLog, **wanted: Any) -> list[str]:
    found = await log.search(Search(**wanted))
    assert found.back_to is None
    return [row["name"] for row in found.records]


async def fill(log: AuditLog, *records: Recorded, batch: int = 1000) -> None:
    for start in range(0, len(records), batch):
        await log.add(records[start : start + batch])


def test_what_is_read_back_has_what_was_recorded() -> None:
    assert Recorded.__struct_fields__ == AUDIT_FIELDS


@pytest.mark.parametrize(("count", "batch"), [(0, 10), (1, 10), (10, 10), (11, 10), (1049, 1), (5003, 1000), (9, 9999)])
async def test_everything_comes_back_as_it_was_in_its_order(log: AuditLog, count: int, batch: int) -> None:
    records = [a_call(str(number), at=NOON + number, cached=number % 2 == 0) for number in range(count)]
    await fill(log, *records, batch=batch)
    assert [Recorded(**row) for row in (await log.search(Search(most=10_000))).records] == records


async def test_a_batch_that_cannot_be_packed_leaves_nothing_behind(log: AuditLog) -> None:
    with pytest.raises(UnicodeEncodeError):
        await log.add([a_call("one"), a_call("two"), a_call("\ud800")])
    assert await names(log) == []


@pytest.mark.parametrize("batch", [1, 2, 10])
async def test_a_search_narrows_down(log: AuditLog, batch: int) -> None:
    await fill(
        log,
        a_call("first"),
        a_call("second", server="time", at=NOON + 1),
        a_call("third", principal="local", at=NOON + 2),
        a_call("fourth", outcome="error", at=NOON + 3),
        batch=batch,
    )
    assert await names(log) == ["first", "second", "third", "fourth"]
    assert await names(log, most=2) == ["third", "fourth"]
    assert await names(log, server="time") == ["second"]
    assert await names(log, server="TIME") == await names(log, server="tim_") == await names(log, server="tim") == []
    assert await names(log, principal="local") == ["third"]
    assert await names(log, principal="the owner of local") == ["third"]
    assert await names(log, outcome="error") == ["fourth"]
    assert await names(log, since=NOON + 2) == ["third", "fourth"]
    assert await names(log, since=NOON + 9) == []
    assert await names(log, server="github", outcome="ok", since=NOON + 1) == ["third"]
    assert await names(log, server="time", outcome="error") == []


@pytest.mark.parametrize("name", ["100%", "a_b", "back\\slash", "two\nlines", "x" * 70_000, "ümlaut", "'quoted\""])
async def test_whatever_a_caller_is_called_is_found(log: AuditLog, name: str) -> None:
    await fill(log, a_call("before"), a_call("wanted", principal=name), a_call("after"), batch=1)
    assert await names(log, principal=name) == ["wanted"]


async def test_a_record_that_came_early_and_ended_late_is_found_by_when_it_came(log: AuditLog) -> None:
    await fill(log, a_call("one", at=NOON + 5), a_call("two", at=NOON), a_call("three", at=NOON + 1), batch=1)
    assert await names(log, since=NOON + 1) == ["one", "three"]


async def test_batches_that_were_dropped_leave_no_gap_that_a_search_ends_at(log: AuditLog, tmp_path: Path) -> None:
    await fill(log, a_call("first"), a_call("second"), batch=1)
    with sqlite3.connect(tmp_path / "toolgate.db") as connection:
        connection.execute("UPDATE audit SET id = 70000 WHERE id = 2")
    connection.close()
    assert await names(log) == ["first", "second"]


async def test_a_search_that_takes_too_long_says_how_far_back_it_got(log: AuditLog) -> None:
    await fill(log, *(a_call(server=f"s-{number % 2}", at=NOON + number) for number in range(4000)), batch=1000)
    found = await log.search(Search(server="s-0", outcome="ok", since=NOON, principal="key:abcdefgh", most=9999), 0)
    assert (len(found.records), found.back_to) == (1000, NOON + 2000)
    nothing = await log.search(Search(server="none"), 0)
    assert (nothing.records, nothing.back_to) == ([], NOON)


async def test_the_event_loop_goes_on_while_much_is_searched(log: AuditLog) -> None:
    await fill(log, *(a_call(server=f"s-{number % 2}") for number in range(40_000)), batch=2000)
    searching = asyncio.create_task(log.search(Search(server="s-1", outcome="ok", principal="nobody")))
    searching_all = asyncio.create_task(log.search(Search(server="s-1", since=NOON + 1)))
    turns = 0
    while not (searching.done() and searching_all.done()):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20  # at least one for each batch
    assert (await searching).records == (await searching_all).records == []


async def test_what_a_later_version_adds_to_a_record_is_passed_over(log: AuditLog) -> None:
    class Later(Recorded, frozen=True, array_like=True):
        agent: str = ""

    [fields] = [msgspec.structs.asdict(a_call())]
    await log.add([Later(**fields, agent="one")])
    assert (await log.search(Search())).records == [fields]


async def test_what_an_earlier_version_did_not_know_has_its_default(log: AuditLog) -> None:
    class Earlier(msgspec.Struct, array_like=True):
        at: float
        seconds: float
        request: str
        principal: str
        principal_name: str
        team: str
        method: str
        server: str
        name: str
        era: str
        outcome: str

    call = a_call(sent=0, received=0)
    await log.add([Earlier(**{name: getattr(call, name) for name in Earlier.__struct_fields__})])
    assert [Recorded(**row) for row in (await log.search(Search())).records] == [call]


@pytest.mark.parametrize(("packed", "told"), [(b"\x02\x90", "cannot read"), (b"\x01\x91", "damaged"), (b"", "cannot")])
async def test_what_cannot_be_read_is_told(log: AuditLog, tmp_path: Path, packed: bytes, told: str) -> None:
    await log.add([a_call()])
    with sqlite3.connect(tmp_path / "toolgate.db") as connection:
        connection.execute("UPDATE audit SET records = ?", (packed,))
    connection.close()
    with pytest.raises(StoreError, match=told):
        await log.search(Search())


async def test_what_is_too_old_goes_in_steps_and_by_whole_batches(log: AuditLog) -> None:
    await fill(log, *(a_call(str(number), at=NOON + number) for number in range(20)), batch=2)
    assert [await log.prune(NOON + 10, step=3) for _ in range(3)] == [3, 2, 0]
    assert await names(log) == [str(number) for number in range(10, 20)]


@pytest.mark.parametrize(
    ("most", "left"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (29, 10), (30, 10), (31, 10), (1000, 10)]
)
async def test_what_is_too_much_goes_oldest_first_and_never_what_would_leave_too_little(
    log: AuditLog, most: int, left: int
) -> None:
    await fill(log, *(a_call(str(number), at=NOON + number) for number in range(30)), batch=3)
    horizon = await log.horizon(most)
    if horizon is not None:
        await log.prune(horizon)
    assert await names(log) == [str(number) for number in range(30 - 3 * left, 30)]


async def test_an_empty_log_has_nothing_to_drop(log: AuditLog) -> None:
    assert await log.horizon(1) is None
    assert await log.prune(NOON) == 0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM audit WHERE last_at <= 1 ORDER BY last_at LIMIT 9",
        "SELECT min(id + 0) FROM audit WHERE last_at >= 1",
        "SELECT sum(calls) FROM audit",
    ],
)
async def test_what_is_done_to_all_batches_reads_an_index(log: AuditLog, tmp_path: Path, query: str) -> None:
    with sqlite3.connect(tmp_path / "toolgate.db") as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    connection.close()
    assert "COVERING INDEX ix_audit_last_at_calls" in str(plan)


def test_postgresql_gets_its_own_words() -> None:
    dialect = asyncpg.dialect()  # type: ignore[no-untyped-call]
    insertion = str(audit._INSERTION.compile(dialect=dialect, column_keys=list(pack([a_call()]))))
    assert insertion.startswith("INSERT INTO audit (first_at, last_at, calls,")
    assert "RETURNING" not in insertion
    condition = str(audit._conditions(Search("a"))[0].compile(dialect=dialect))
    assert condition.startswith("audit.servers LIKE '%' || $1::")
