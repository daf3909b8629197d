"""What was recorded, over the API."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.recording.calls import a_call
from toolgate.catalog.snapshot import Entry, Listing, Route, Snapshot, View
from toolgate.control.app import Control
from toolgate.control.records import Records
from toolgate.model.tool import Kind
from toolgate.recording.recorder import Recorder
from toolgate.store.database import Database

LISTED = [
    b'{"name":"github__search","annotations":{"readOnlyHint":true,"idempotentHint":true}}',
    b'{"name":"github__write","annotations":{"readOnlyHint":"maybe"}}',
    b'{"name":"github__odd","annotations":[]}',
]


def a_snapshot() -> Snapshot:
    entries = [Entry(f"github__{name}", Route("github", name), raw) for name, raw in zip(
        ("search", "write", "odd"), LISTED, strict=True
    )]  # fmt: skip
    whole = View({Kind.TOOLS: Listing(entries)}, ("github",), {}, {})
    few = View({Kind.TOOLS: Listing(entries[:1])}, ("github",), {}, {})
    return Snapshot(1, {"/mcp": whole, "/virtual/few/mcp": few})


class Gateway:
    def report(self) -> list[dict[str, Any]]:
        return []

    async def reload(self) -> None:
        raise AssertionError("nobody asked for it")


class Asking:
    def __init__(self, recorder: Recorder, database: Database) -> None:
        self.recorder = recorder
        self._control = Control(Gateway(), records=Records(recorder, database, a_snapshot))

    async def __call__(self, what: str, query: str = "", method: str = "GET") -> tuple[int, str, str]:
        """Status, media type and body."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("no body is read")

        scope = {"type": "http", "method": method, "path": f"/api/v1/{what}", "query_string": query.encode()}
        await self._control({**scope, "headers": []}, receive, send)
        head = dict(sent[0]["headers"])
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], head[b"content-type"].decode(), body.decode()

    async def json(self, what: str, query: str = "") -> Any:
        status, media_type, body = await self(what, query)
        assert (status, media_type) == (200, "application/json"), body
        return json.loads(body)


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[Asking]:
    database = await Database.open("sqlite", tmp_path)
    recorder = Recorder.open(database)
    yield Asking(recorder, database)
    await recorder.close()
    await database.close()


async def test_a_call_is_told_right_after_it_was_made(ask: Asking) -> None:
    ask.recorder.put(a_call(at=time.time()))
    assert [row["name"] for row in (await ask.json("usage"))["rows"]] == ["search"]
    assert [row["name"] for row in (await ask.json("audit"))["records"]] == ["search"]


async def test_usage_knows_what_is_listed_and_what_that_costs(ask: Asking) -> None:
    ask.recorder.put(a_call(at=time.time()))
    told = await ask.json("usage", "by=server&since=today")
    assert told["by"] == "server"
    assert [tool["name"] for tool in told["unused"]] == ["write", "odd"]
    whole, few = told["listings"]
    assert few["saved"] == whole["tokens"] - few["tokens"] > 0


async def test_usage_is_there_as_csv(ask: Asking) -> None:
    ask.recorder.put(a_call(at=time.time()))
    status, media_type, body = await ask("usage.csv", "by=user")
    assert (status, media_type) == (200, "text/csv; charset=utf-8")
    assert body.splitlines()[1].startswith("key:abcdefgh,the owner of key:abcdefgh,1,1,")


async def test_advice_reads_the_hints_of_servers(ask: Asking) -> None:
    for _ in range(120):
        ask.recorder.put(a_call(at=time.time(), seconds=0.4))
        ask.recorder.put(a_call("write", at=time.time(), seconds=0.4))
    [advice] = (await ask.json("advice", "since=7d"))["advice"]
    assert (advice["kind"], advice["subject"]) == ("cache", "github/search")


async def test_the_audit_log_is_searched(ask: Asking) -> None:
    ask.recorder.put(a_call("one", at=time.time(), outcome="error"))
    ask.recorder.put(a_call("two", at=time.time(), server="time"))
    assert [row["name"] for row in (await ask.json("audit", "outcome=error"))["records"]] == ["one"]
    assert [row["name"] for row in (await ask.json("audit", "server=time&since=1h&most=5"))["records"]] == ["two"]


@pytest.mark.parametrize(
    ("what", "query"),
    [
        ("usage", "by=moon"),
        ("usage", "since=long"),
        ("usage", "until=now"),
        ("usage", "&".join(f"by={number}" for number in range(20))),
        ("advice", "by=tool"),
        ("audit", "most=all"),
        ("audit", "most=1001"),
        ("audit", "%ff=%ff"),
    ],
)
async def test_what_cannot_be_asked_is_refused(ask: Asking, what: str, query: str) -> None:
    status, _, body = await ask(what, query)
    assert status == 400
    assert json.loads(body)["error"]["code"] == "invalid-params"


async def test_it_is_only_read(ask: Asking) -> None:
    assert (await ask("usage", method="POST"))[0] == 405
    assert (await ask("usage/more"))[0] == 404
