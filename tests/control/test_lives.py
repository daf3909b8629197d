"""What becomes of servers, over the API."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from toolgate.control.app import Control
from toolgate.control.lives import Lives
from toolgate.errors import ServerUnavailable
from toolgate.model.life import Wish
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.transition import Transition
from toolgate.observe.server_logs import ServerLogs


class Gateway:
    def __init__(self) -> None:
        self.state = "ready"
        self.owner = ""
        self.orders: list[tuple[str, Wish, str]] = []
        self.refusal: ServerUnavailable | None = None

    def report(self) -> list[dict[str, Any]]:
        return [{"name": "time", "state": self.state, "owner": self.owner}]

    async def reload(self) -> None:
        raise AssertionError("nobody asked for it")

    async def order(self, name: str, wish: Wish, actor: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.orders.append((name, wish, actor))
        self.state = "stopped" if wish is Wish.STOP else "ready"


class Room:
    def __init__(self, logs: ServerLogs) -> None:
        self.gateway = Gateway()
        self.logs = logs
        self.transitions = [
            Transition("time", 1.0, "", "starting", "began", "", "configuration"),
            Transition("time", 2.0, "starting", "idle", "idle", "", "idle"),
        ]
        lives = Lives(self.gateway, logs, lambda name: self.transitions)
        self._control = Control(self.gateway, more=lives.routes)
        self.sent: list[Any] = []
        self.news = asyncio.Event()
        self._asked = False

    async def ask(self, method: str, path: str, query: bytes = b"", principal: Principal = LOCAL) -> tuple[int, Any]:
        self.sent.clear()
        self._asked = False
        scope = {
            "type": "http", "method": method, "path": f"/api/v1/{path}", "query_string": query, "headers": [],
            "state": {"context": principal},
        }  # fmt: skip
        await self._control(scope, self._receive, self._send)
        body = b"".join(message.get("body", b"") for message in self.sent[1:])
        return self.sent[0]["status"], json.loads(body) if body[:1] == b"{" else body

    async def _receive(self) -> Any:
        if self._asked:
            await asyncio.get_running_loop().create_future()  # the client stays
        self._asked = True
        return {"type": "http.request", "body": b""}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self.news.set()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    logs = ServerLogs(tmp_path / "logs")
    yield Room(logs)
    await logs.close()


async def test_a_server_is_stopped_and_started_by_whoever_asks(room: Room) -> None:
    room.gateway.owner = "user:ci"
    status, answer = await room.ask("POST", "servers/time/stop", principal=Principal("key:x", "ci"))
    assert (status, answer["state"]) == (200, "stopped")
    assert (await room.ask("POST", "servers/time/start"))[1]["state"] == "ready"
    await room.ask("POST", "servers/time/restart")
    assert room.gateway.orders == [
        ("time", Wish.STOP, "key ci"),
        ("time", Wish.START, "local user"),
        ("time", Wish.RESTART, "local user"),
    ]


async def test_what_another_worker_cannot_do_is_told(room: Room) -> None:
    room.gateway.refusal = ServerUnavailable("worker 1 has ended", server="time")
    status, answer = await room.ask("POST", "servers/time/stop")
    assert (status, answer["error"]["message"]) == (503, "worker 1 has ended")


@pytest.mark.parametrize("what", ["start", "timeline", "logs"])
async def test_nothing_is_known_of_a_server_that_is_not_there(room: Room, what: str) -> None:
    method = "POST" if what == "start" else "GET"
    assert (await room.ask(method, f"servers/nobody/{what}"))[0] == 404


async def test_a_timeline_tells_states_causes_and_actors(room: Room) -> None:
    _, answer = await room.ask("GET", "servers/time/timeline", b"last=1")
    assert answer == {
        "server": "time",
        "timeline": [
            {"at": 2.0, "state": "idle", "phase": "stopped", "before": "starting", "cause": "idle", "reason": "",
             "actor": "idle"}
        ],
    }  # fmt: skip


@pytest.mark.parametrize("last", ["0", "x", "-1", "1000000"])
async def test_a_number_is_a_number(room: Room, last: str) -> None:
    assert (await room.ask("GET", "servers/time/timeline", f"last={last}".encode()))[0] == 400


async def test_the_last_lines_of_a_log_are_told_and_what_follows(room: Room) -> None:
    for number in range(5):
        room.logs.write("time", "stderr", f"line {number}")
    _, answer = await room.ask("GET", "servers/time/logs", b"lines=2")
    assert [line.split(" ", 1)[1].split() for line in answer["lines"]] == [
        ["stderr", "line", "3"],
        ["stderr", "line", "4"],
    ]
    room.sent.clear()
    following = asyncio.create_task(room.ask("GET", "servers/time/logs", b"lines=1&follow=1"))
    await asyncio.wait_for(_until(room, b"line 4"), 10)
    room.logs.write("time", "stderr", "line 5")
    await asyncio.wait_for(_until(room, b"line 5"), 10)
    room.logs.end()
    status, body = await asyncio.wait_for(following, 10)
    assert status == 200
    assert body.count(b"data: ") == 2


async def _until(room: Room, wanted: bytes) -> None:
    while not any(wanted in message.get("body", b"") for message in room.sent):
        room.news.clear()
        await room.news.wait()
