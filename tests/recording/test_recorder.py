"""Each call is in the database once, whatever happens to the database and to the writer."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.recording.calls import NOON, a_call
from toolgate.errors import AuditFull, StoreError
from toolgate.model.usage import total
from toolgate.observe.recorded import Recorded
from toolgate.recording.recorder import Recorder
from toolgate.store.audit import AuditLog, Search
from toolgate.store.database import Database
from toolgate.store.usage import UsageTable

PATIENCE = 30.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path)
    yield database
    await database.close()


async def audited(database: Database) -> list[str]:
    return [row["name"] for row in (await AuditLog(database).search(Search(most=1_000_000), PATIENCE)).records]


async def counted(database: Database) -> int:
    return total(tally for _, tally in await UsageTable(database).read((), 0)).calls


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    connection = sqlite3.connect(folder / "toolgate.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


class Failing:
    """A call of the database that fails as often as is asked for, before or after it did its work."""

    def __init__(self, inner: Callable[..., Any], times: int) -> None:
        self._inner = inner
        self.left = times
        self.failed = asyncio.Event()

    async def __call__(self, *arguments: Any) -> Any:
        if self.left:
            self.left -= 1
            self.failed.set()
            raise StoreError("the disk is full", hint="make room")
        return await self._inner(*arguments)


async def test_a_call_is_written_soon_without_being_asked_for(database: Database) -> None:
    recorder = Recorder.open(database, audit_days=100_000)
    recorder.put(a_call())
    async with asyncio.timeout(PATIENCE):
        while recorder.waiting:  # noqa: ASYNC110  # what is looked at is what a stage sees
            await asyncio.sleep(0)
    assert await audited(database) == ["search"]
    await recorder.close()


async def test_a_hundred_thousand_calls_are_written_and_counted(database: Database) -> None:
    recorder = Recorder.open(database, audit_days=100_000)
    for number in range(100_000):
        if recorder.full:
            await recorder.room(PATIENCE)
        recorder.put(a_call(f"tool-{number % 100}"))
    await recorder.close(PATIENCE)
    assert await audited(database) == [f"tool-{number % 100}" for number in range(100_000)]
    assert await counted(database) == 100_000


async def test_closing_writes_what_is_left(database: Database) -> None:
    recorder = Recorder.open(database, audit_days=100_000, capacity=100, batch=10)
    for number in range(95):
        recorder.put(a_call(str(number)))
    await recorder.close()
    assert await audited(database) == [str(number) for number in range(95)]
    assert await counted(database) == 95


async def test_flushing_writes_what_was_put_before(database: Database) -> None:
    recorder = Recorder.open(database, audit_days=100_000)
    recorder.put(a_call())
    assert await recorder.flush(PATIENCE)
    assert (len(await audited(database)), await counted(database), recorder.waiting) == (1, 1, 0)
    await recorder.close()


async def test_every_sink_gets_every_call(database: Database) -> None:
    heard: list[Recorded] = []
    recorder = Recorder.open(database, sinks=[heard.append, heard.append])
    call = a_call()
    recorder.put(call)
    assert heard == [call, call]
    await recorder.close()


async def test_two_gateways_on_one_database_add_up(database: Database, tmp_path: Path) -> None:
    other = await Database.open("sqlite", tmp_path)
    recorders = [Recorder.open(each, audit_days=100_000, capacity=100, batch=10) for each in (database, other)]
    for _ in range(500):
        for recorder in recorders:
            await recorder.room(PATIENCE)
            recorder.put(a_call())
    await asyncio.gather(*(recorder.close(PATIENCE) for recorder in recorders))
    assert len(await audited(database)) == 1000
    assert await counted(database) == 1000
    await other.close()


async def test_while_another_holds_the_lock_calls_wait_and_nothing_is_lost(database: Database, tmp_path: Path) -> None:
    recorder = Recorder.open(database, audit_days=100_000, capacity=20, batch=10)
    with locked(tmp_path):
        for number in range(20):
            recorder.put(a_call(str(number)))
        assert recorder.full
        with pytest.raises(AuditFull):
            await recorder.room(0.05)
        assert not await recorder.flush(0.05)
        waiting = asyncio.create_task(recorder.room(PATIENCE))
        await asyncio.sleep(0)
    await waiting
    recorder.put(a_call("20"))
    await recorder.close(PATIENCE)
    assert await audited(database) == [str(number) for number in range(21)]
    assert await counted(database) == 21


async def test_a_database_that_fails_is_tried_again_and_told_of_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(AuditLog(database).add, times=3)
    monkeypatch.setattr(AuditLog, "add", lambda _, rows: failing(rows))
    recorder = Recorder.open(database, audit_days=100_000)
    for number in range(5):
        recorder.put(a_call(str(number)))
    assert await recorder.flush(PATIENCE)
    assert await audited(database) == ["0", "1", "2", "3", "4"]
    assert await counted(database) == 5
    told = [(line.levelno, line.getMessage()) for line in caplog.records if line.name.startswith("toolgate.recording")]
    assert [level for level, _ in told] == [logging.ERROR, logging.WARNING]
    assert "the disk is full" in told[0][1]
    assert "make room" in told[0][1]
    assert "after 3 attempts" in told[1][1]
    await recorder.close()


async def test_sums_that_could_not_be_written_are_added_to_those_that_came_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(UsageTable(database).add, times=2)
    monkeypatch.setattr(UsageTable, "add", lambda _, rows: failing(rows))
    recorder = Recorder.open(database, audit_days=100_000)
    recorder.put(a_call())
    recorder.put(a_call("read"))
    async with asyncio.timeout(PATIENCE):
        await failing.failed.wait()
    recorder.put(a_call())
    await recorder.close(PATIENCE)
    assert {key: tally.calls for key, tally in await UsageTable(database).read(("name",), 0)} == {
        ("search",): 2,
        ("read",): 1,
    }
    assert len(await audited(database)) == 3


async def test_a_driver_that_breaks_in_a_way_of_its_own_does_not_end_the_writing(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add, broken = AuditLog.add, [ValueError("no active connection")]

    async def break_once(log: AuditLog, rows: Any) -> None:
        if broken:
            raise broken.pop()
        await add(log, rows)

    monkeypatch.setattr(AuditLog, "add", break_once)
    recorder = Recorder.open(database, audit_days=100_000)
    recorder.put(a_call())
    assert await recorder.flush(PATIENCE)
    assert await audited(database) == ["search"]
    assert "no active connection" in caplog.text
    await recorder.close()


async def test_a_writer_that_is_ended_half_way_begins_anew_and_writes_each_call_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, begun = AuditLog.add, asyncio.Event()

    async def stop_half_way(log: AuditLog, rows: Any) -> None:
        if not begun.is_set():
            begun.set()
            await asyncio.get_running_loop().create_future()
        await add(log, rows)

    monkeypatch.setattr(AuditLog, "add", stop_half_way)
    recorder = Recorder.open(database, audit_days=100_000, capacity=20, batch=10)
    for number in range(15):
        recorder.put(a_call(str(number)))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    [writer] = [task for task in asyncio.all_tasks() if task.get_name() == "recording-writer"]
    writer.cancel()
    recorder.put(a_call("15"))
    assert await recorder.flush(PATIENCE)
    assert await audited(database) == [str(number) for number in range(16)]
    assert await counted(database) == 16
    await recorder.close()


async def test_what_cannot_be_written_at_the_end_is_told(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder.open(database, audit_days=100_000)
    with locked(tmp_path):
        recorder.put(a_call())
        await recorder.close(0.05)
    assert "1 records of calls are lost" in caplog.text


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("file:///\0", "file:///\\x00"),
        ("file:///\ud800", "file:///\\ud800"),
        ("file:///\x1b[2J", "file:///\\x1b[2J"),
        ("\n" * 512, "\\n" * 255 + "\\…"),
        ("file:///" + "a" * 10_000, "file:///" + "a" * 503 + "…"),
        ("file:///ein Name mit Umläuten", "file:///ein Name mit Umläuten"),
    ],
)
async def test_no_name_of_a_client_is_too_much_for_a_database(database: Database, name: str, kept: str) -> None:
    recorder = Recorder.open(database, audit_days=100_000)
    recorder.put(a_call(name, method="resources/read"))
    await recorder.close()
    assert await audited(database) == [kept]
    assert [key for key, _ in await UsageTable(database).read(("name",), 0)] == [(kept,)]


async def test_what_cannot_be_dropped_now_is_told_and_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(AuditLog(database).prune, times=1)
    monkeypatch.setattr(AuditLog, "prune", lambda _, *arguments: failing(*arguments))
    recorder = Recorder.open(database)
    async with asyncio.timeout(PATIENCE):
        await failing.failed.wait()
    await recorder.close()
    assert "cannot be dropped now: the disk is full" in caplog.text


async def test_what_is_too_old_goes_in_the_background(database: Database) -> None:
    log = AuditLog(database)
    from_long_ago = a_call("old", at=NOON - 40 * 86_400)
    writer = Recorder.open(database, audit_days=100_000, usage_days=100_000)
    writer.put(from_long_ago)
    await writer.close()
    keeper = Recorder.open(database, audit_days=1, usage_days=1)
    async with asyncio.timeout(PATIENCE):
        while (await log.search(Search())).records or await counted(database):
            pass
    await keeper.close()
