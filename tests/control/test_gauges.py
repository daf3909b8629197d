from dataclasses import replace

from tests.control.test_health import NOW, status
from toolgate.control.gauges import server_gauges
from toolgate.observe.metrics import Metrics
from toolgate.upstream.base import State


def test_each_server_is_in_one_state_and_tells_when_it_is_tried_again() -> None:
    statuses = [status("time", State.READY), replace(status("git", State.FAILING), retry_at=NOW + 5)]
    metrics = Metrics(lambda server, method, name: True)
    metrics.read_all(server_gauges(lambda: statuses, clock=lambda: NOW))
    values = metrics.snapshot().values
    assert {labels for labels, value in values["toolgate_server_state"] if value} == {
        ("time", "ready"),
        ("git", "failing"),
    }
    assert len(values["toolgate_server_state"]) == 10
    assert {labels for labels, value in values["toolgate_breaker"] if value} == {("time", "closed"), ("git", "closed")}
    assert values["toolgate_server_retry_seconds"] == [(("git",), 5.0)]
