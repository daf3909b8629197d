import json
from typing import Any

import pytest

from tests.control.test_app import Gateway
from toolgate.control.app import Control
from toolgate.control.health import HealthReport
from toolgate.model.secretref import Template
from toolgate.model.server import Http, Provenance, Server
from toolgate.model.transition import Transition
from toolgate.observe.health import Checked
from toolgate.observe.metrics import Metrics
from toolgate.observe.recorded import Recorded
from toolgate.observe.slo import Windows
from toolgate.upstream.base import State, Status

NOW = 1_000_000.0
HOUR = 3600.0


def status(name: str, state: State, reason: str = "") -> Status:
    server = Server(name, Http(Template("http://127.0.0.1:1/mcp"), {}), Provenance("document"))
    return Status(server, state, since=NOW - HOUR, reason=reason)


def call(server: str, outcome: str) -> Recorded:
    return Recorded(NOW, 0.02, "r", "p", "p", "", "tools/call", server, "t", "modern", outcome)


class Rooms:
    """What a report is made from."""

    def __init__(self, *statuses: Status) -> None:
        self.statuses = list(statuses)
        self.metrics = Metrics(lambda server, method, name: True)
        self.checked = Checked(lambda: NOW)
        self.transitions: dict[str, list[Transition]] = {}
        self.windows = Windows(self.metrics.totals)
        self.report = HealthReport(
            lambda: self.statuses,
            lambda name: self.transitions.get(name, []),
            self.windows,
            self.checked,
            in_flight={"time": 3}.__getitem__,
            clock=lambda: NOW,
        )


def test_a_healthy_server_is_told_with_its_figures() -> None:
    rooms = Rooms(status("time", State.READY))
    rooms.transitions["time"] = [
        Transition("time", NOW - 100 * HOUR, "", "ready"),
        Transition("time", NOW - 50 * HOUR, "ready", "failing"),
        Transition("time", NOW - 48 * HOUR, "failing", "ready"),
    ]
    rooms.checked.note("time", 0.005, "")
    for _ in range(20):
        rooms.metrics.record(call("time", "ok"))
    report = rooms.report()
    assert (report["status"], report["reason"]) == ("healthy", "")
    [entry] = report["servers"]
    assert (entry["status"], entry["state"], entry["since"]) == ("healthy", "ready", NOW - HOUR)
    assert (entry["uptime_24h"], entry["uptime_7d"], entry["outages_7d"]) == (1.0, 0.98, 1)
    assert (entry["mtbf"], entry["mttr"]) == (98 * HOUR, 2 * HOUR)
    assert (entry["calls_5m"], entry["error_rate_5m"], entry["in_flight"]) == (20, 0.0, 3)
    assert 10 < entry["p50_ms"] <= entry["p95_ms"] <= 25
    assert entry["check_ms"] == 5.0


def test_what_is_wrong_is_said_with_its_reason() -> None:
    rooms = Rooms(status("time", State.READY), status("git", State.FAILING, "it ended with code 1"))
    rooms.report = HealthReport(lambda: rooms.statuses, lambda _: [], rooms.windows, rooms.checked, clock=lambda: NOW)
    for outcome in ["ok"] * 15 + ["deadline-exceeded"] * 5:
        rooms.metrics.record(call("time", outcome))
    report = rooms.report()
    assert report["status"] == "degraded"
    assert report["reason"] == "time: 5 of 20 calls failed in the last minutes; git: it ended with code 1"
    time, git = report["servers"]
    assert (time["status"], time["error_rate_5m"]) == ("degraded", 0.25)
    assert (git["status"], git["p50_ms"], git["uptime_7d"]) == ("unhealthy", None, None)
    assert report["slo"]["availability"]["burn"]["5m"] == 250.0
    assert report["slo"]["alarm"] == "fast"


def test_a_budget_that_burns_is_a_reason_of_its_own() -> None:
    rooms = Rooms()
    for _ in range(5):
        rooms.metrics.record(call("gone", "error"))
    report = rooms.report()
    assert (report["status"], report["reason"]) == ("degraded", "the error budget burns fast")


def test_many_reasons_are_cut_short() -> None:
    rooms = Rooms(*(status(f"server{number}", State.FAILING, "down") for number in range(10)))
    rooms.report = HealthReport(lambda: rooms.statuses, lambda _: [], rooms.windows, rooms.checked, clock=lambda: NOW)
    report = rooms.report()
    assert report["status"] == "unhealthy"
    assert report["reason"] == "server0: down; server1: down; server2: down; and 7 more"


async def ask(control: Control, method: str) -> tuple[int, Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("no body is read")

    await control({"type": "http", "method": method, "path": "/api/v1/health", "headers": []}, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 405)])
async def test_it_is_asked_for_at_an_address_of_its_own(method: str, status: int) -> None:
    rooms = Rooms()
    answered, body = await ask(Control(Gateway(), health=rooms.report), method)
    assert answered == status
    assert (body == rooms.report()) is (status == 200)
