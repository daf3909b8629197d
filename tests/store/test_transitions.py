import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from toolgate.model.transition import Transition
from toolgate.store.database import Database
from toolgate.store.transitions import Transitions, TransitionTable

DAY = 86_400.0
NOW = 100 * DAY


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open("sqlite", tmp_path)
    yield opened
    await opened.close()


async def opened(database: Database) -> Transitions:
    return await Transitions.open(database, clock=lambda: NOW)


async def test_what_a_server_went_through_is_told_and_outlives_the_gateway(database: Database) -> None:
    sink = await opened(database)
    sink.note("time", "starting", NOW - 10, cause="called", actor="key ci")
    sink.note("time", "ready", NOW - 9, cause="started", actor="key ci")
    sink.note("time", "failing", NOW - 5, "it  answers\n500", "failed", "crash")
    sink.note("git", "starting", NOW - 4)
    told = [
        Transition("time", NOW - 10, "", "starting", "called", actor="key ci"),
        Transition("time", NOW - 9, "starting", "ready", "started", actor="key ci"),
        Transition("time", NOW - 5, "ready", "failing", "failed", "it answers 500", "crash"),
    ]
    assert list(sink.of("time")) == told
    await sink.close()
    assert len(sink) == 0
    again = await opened(database)
    assert list(again.of("time")) == told
    assert list(again.of("nobody")) == []
    await again.close()


async def test_the_same_state_said_again_is_no_transition(database: Database) -> None:
    sink = await opened(database)
    for moment in range(5):
        sink.note("time", "failing", NOW + moment, f"try {moment}")
    assert len(sink.of("time")) == 1
    await sink.close()


async def test_a_server_begins_anew_after_its_end_and_after_a_new_start(database: Database) -> None:
    sink = await opened(database)
    for state, cause in (("ready", "started"), ("stopped", "stopped"), ("starting", "began")):
        sink.note("time", state, NOW, cause=cause)
    await sink.close()
    again = await opened(database)
    again.note("time", "starting", NOW, cause="began")
    assert [one.before for one in again.of("time")] == ["", "ready", "", ""]
    assert [one.cause for one in again.of("time")] == ["started", "stopped", "began", "began"]
    await again.close()


async def test_what_a_person_has_stopped_goes_on_from_there(database: Database) -> None:
    sink = await opened(database)
    for state, cause in (("ready", "started"), ("stopped", "asked"), ("starting", "asked")):
        sink.note("time", state, NOW, cause=cause, actor="local user")
    assert [one.before for one in sink.of("time")] == ["", "ready", "stopped"]
    await sink.close()


async def test_what_is_older_than_a_month_is_forgotten(database: Database) -> None:
    table = TransitionTable(database)
    ages = (31, 29, 8, 1)
    await table.add([Transition(f"{age}-days", NOW - age * DAY, "", "ready") for age in ages])
    sink = await opened(database)
    assert [age for age in ages if sink.of(f"{age}-days")] == [1]
    assert [one.server for one in await table.since(0)] == ["29-days", "8-days", "1-days"]
    await sink.close()


async def test_a_server_that_flaps_fills_neither_memory_nor_the_table(database: Database) -> None:
    sink = await opened(database)
    for number in range(5000):
        sink.note("time", "ready" if number % 2 else "failing", NOW + number, "x" * 5000)
    assert len(sink.of("time")) == 1000
    assert max(len(one.reason) for one in sink.of("time")) == 300
    await sink.close()


async def test_a_week_that_begins_in_a_state_knows_which(database: Database) -> None:
    sink = await opened(database)
    sink.note("time", "ready", NOW - 20 * DAY)
    sink.note("time", "failing", NOW - 15 * DAY)
    sink.note("time", "ready", NOW)
    assert [one.after for one in sink.of("time")] == ["failing", "ready"]
    await sink.close()


class Warned(logging.Handler):
    """The moment when something is warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.happened = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.happened.set()


async def test_what_cannot_be_written_waits_until_it_can(database: Database) -> None:
    warned = Warned()
    logging.getLogger("toolgate.health").addHandler(warned)
    try:
        sink = await opened(database)
        async with database.writing() as connection:
            await connection.execute(text("ALTER TABLE transitions RENAME TO elsewhere"))
        sink.note("time", "ready", NOW)
        await asyncio.wait_for(warned.happened.wait(), 20)
        assert len(sink) == 1
    finally:
        logging.getLogger("toolgate.health").removeHandler(warned)
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO transitions"))
    await sink.close()
    assert [one.server for one in await TransitionTable(database).since(0)] == ["time"]
