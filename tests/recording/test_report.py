"""What was recorded is told with the formulas that it rests on."""

import csv
import time
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import pytest

from tests.recording.calls import a_call
from toolgate.errors import InvalidParams
from toolgate.observe.advice import ListedTool
from toolgate.observe.recorded import Recorded
from toolgate.recording.recorder import Recorder
from toolgate.recording.report import BY, Report, as_csv
from toolgate.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path)
    yield database
    await database.close()


async def record(database: Database, *calls: Recorded) -> Report:
    recorder = Recorder.open(database)
    for call in calls:
        recorder.put(call)
    await recorder.close()
    return Report(database)


async def test_usage_adds_up_and_says_how_it_was_worked_out(database: Database) -> None:
    now = time.time()
    report = await record(
        database,
        a_call(at=now),
        a_call(at=now, outcome="failed"),
        a_call(at=now, outcome="rate-limited", received=0),
        a_call("read", at=now, cached=True),
    )
    told = await report.usage("tool", "today")
    search, read = told["rows"]
    assert (search["server"], search["name"], search["calls"]) == ("github", "search", 3)
    assert (search["ok"], search["failed"], search["refused"], search["success_rate"]) == (1, 1, 1, 0.5)
    assert 10 <= search["p50_ms"] <= search["p95_ms"] <= 25
    assert (search["sent"], search["received"], search["tokens"]) == (300, 600, 225)
    assert (read["calls"], read["cached"]) == (1, 1)
    assert (told["total"]["calls"], told["total"]["success_rate"]) == (4, 0.6667)
    assert "/ 4 bytes" in told["formulas"]["tokens"]
    assert told["recorded_since"] == told["until"] // 3600 * 3600


@pytest.mark.parametrize("by", list(BY))
async def test_usage_is_told_by_each_of_its_sides(database: Database, by: str) -> None:
    now = time.time()
    report = await record(
        database, a_call(at=now), a_call("read", at=now, server="time", team="support", principal="local")
    )
    told = await report.usage(by, "7d")
    assert len(told["rows"]) == 2
    assert list(told["rows"][0])[: len(BY[by])] == list(BY[by])


async def test_nothing_recorded_is_no_error(database: Database) -> None:
    told = await Report(database).usage("user", "7d")
    assert (told["rows"], told["total"]["calls"], told["total"]["success_rate"]) == ([], 0, None)
    assert told["recorded_since"] is None
    assert (await Report(database).advice("30d", ()))["advice"] == []


async def test_a_longer_period_tells_more(database: Database) -> None:
    report = await record(database, a_call(at=time.time() - 3 * 86_400), a_call("read", at=time.time()))
    assert len((await report.usage("tool", "1h"))["rows"]) == 1
    assert len((await report.usage("tool", "7d"))["rows"]) == 2


async def test_tools_without_a_call_are_named_with_what_they_cost(database: Database) -> None:
    report = await record(database, a_call(at=time.time()))
    offer = [ListedTool("github", "search", 400), ListedTool("github", "write", 800)]
    told = await report.usage("server", "7d", offer, {"/mcp": 1200, "/virtual/few/mcp": 400})
    assert told["unused"] == [{"server": "github", "name": "write", "bytes": 800, "tokens": 200}]
    assert told["listings"] == [
        {"endpoint": "/mcp", "tokens": 300, "saved": 0},
        {"endpoint": "/virtual/few/mcp", "tokens": 100, "saved": 200},
    ]


async def test_csv_has_what_the_rows_have(database: Database) -> None:
    report = await record(database, a_call('=HYPERLINK("x")', at=time.time()), a_call("a, b", at=time.time()))
    rows = list(csv.DictReader(StringIO(as_csv(await report.usage("tool", "7d")))))
    assert sorted(row["name"] for row in rows) == ['\'=HYPERLINK("x")', "a, b"]
    assert [row["calls"] for row in rows] == ["1", "1"]
    assert {"success_rate", "p95_ms", "tokens"} <= rows[0].keys()


async def test_advice_is_drawn_from_what_was_recorded(database: Database) -> None:
    now = time.time()
    report = await record(database, *(a_call(at=now, outcome="error") for _ in range(20)))
    [advice] = (await report.advice("30d", ()))["advice"]
    assert (advice["kind"], advice["subject"], advice["figures"]["errors"]) == ("failing", "github", 20)


async def test_the_audit_log_tells_the_last_calls(database: Database) -> None:
    now = time.time()
    report = await record(database, a_call("old", at=now - 7200), a_call("new", at=now), a_call("newest", at=now))
    assert [row["name"] for row in (await report.audit())["records"]] == ["old", "new", "newest"]
    assert [row["name"] for row in (await report.audit(period="1h", most=1))["records"]] == ["newest"]


async def test_what_cannot_be_asked_is_told(database: Database) -> None:
    report = Report(database)
    with pytest.raises(InvalidParams, match="moon"):
        await report.usage("moon", "7d")
    with pytest.raises(InvalidParams):
        await report.audit(most=0)
    with pytest.raises(InvalidParams):
        await report.audit(most=1001)
