import logging
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.observe.calls import recorded
from toolgate.observe.families import FAMILIES
from toolgate.observe.metrics import Metrics, Reading, merged_totals, read_snapshot


def everything(server: str, method: str, name: str) -> bool:
    return True


def calls(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return dict(metrics.snapshot().values["toolgate_calls_total"])


def test_a_call_counts_under_its_labels() -> None:
    metrics = Metrics(everything)
    metrics.record(recorded())
    metrics.record(recorded())
    metrics.record(recorded(outcome="deadline-exceeded", seconds=31))
    assert calls(metrics) == {
        ("time", "now", "tools/call", "modern", "ok"): 2,
        ("time", "now", "tools/call", "modern", "deadline-exceeded"): 1,
    }
    [(labels, counts, seconds)] = metrics.snapshot().spreads["toolgate_call_seconds"]
    assert labels == ("time", "tools/call", "modern")
    assert sum(counts) == 3
    assert seconds == pytest.approx(31.008)


def test_bytes_and_answers_from_the_cache_count_by_server() -> None:
    metrics = Metrics(everything)
    metrics.record(recorded())
    metrics.record(recorded(cached=True, received=50))
    values = metrics.snapshot().values
    assert dict(values["toolgate_bytes_total"]) == {("time", "sent"): 200, ("time", "received"): 350}
    assert dict(values["toolgate_cache_hits_total"]) == {("time",): 1}


def test_a_name_that_no_server_lists_is_no_label() -> None:
    metrics = Metrics(lambda server, method, name: name == "now")
    for name in ("now", 'evil"} 1\n', "\x00", "x" * 10_000):
        metrics.record(recorded(name=name))
    assert calls(metrics) == {
        ("time", "now", "tools/call", "modern", "ok"): 1,
        ("time", "other", "tools/call", "modern", "ok"): 3,
    }


def test_a_uri_and_a_method_of_nobody_are_no_labels() -> None:
    metrics = Metrics(everything)
    for number in range(100):
        metrics.record(recorded(method="resources/read", name=f"file:///{number}"))
        metrics.record(recorded(method=f"made/up/{number}", name="x"))
    assert calls(metrics) == {
        ("time", "", "resources/read", "modern", "ok"): 100,
        ("time", "", "other", "modern", "ok"): 100,
    }


def test_the_number_of_labels_is_bounded_and_no_call_is_lost() -> None:
    metrics = Metrics(everything, most=10)
    for number in range(5000):
        metrics.record(recorded(name=f"tool{number}", server=f"server{number % 2500}"))
    found = calls(metrics)
    assert len(found) <= 10 + 1000 + 1
    assert sum(found.values()) == 5000
    assert len(metrics.snapshot().spreads["toolgate_call_seconds"]) <= 1001


def test_refusals_count_by_limit() -> None:
    metrics = Metrics(everything)
    for limit in ("key", "key", "tool", *(f"made-up-{number}" for number in range(100))):
        metrics.refused(limit)
    refusals = dict(metrics.snapshot().values["toolgate_refusals_total"])
    assert refusals[("key",)] == 2
    assert len(refusals) == 65
    assert sum(refusals.values()) == 103


def test_what_is_read_is_read_when_somebody_looks() -> None:
    metrics, sessions = Metrics(everything), [1]
    metrics.read("toolgate_sessions", lambda: len(sessions))
    metrics.read("toolgate_queue_depth", lambda: [(("audit",), 3.0), (("usage",), 0.0)])
    sessions.append(2)
    values = metrics.snapshot().values
    assert values["toolgate_sessions"] == [((), 2)]
    assert values["toolgate_queue_depth"] == [(("audit",), 3.0), (("usage",), 0.0)]


def test_one_reader_that_fails_hides_nothing_else_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Mapping[str, Reading]:
        raise RuntimeError("no such room")

    metrics = Metrics(everything)
    metrics.read_all(broken)
    metrics.read("toolgate_sessions", lambda: 7)
    with caplog.at_level(logging.ERROR, "toolgate"):
        for _ in range(3):
            assert metrics.snapshot().values["toolgate_sessions"] == [((), 7)]
    assert len(caplog.records) == 1


def test_a_snapshot_travels_between_workers() -> None:
    metrics = Metrics(everything, worker="3")
    metrics.record(recorded())
    metrics.read("toolgate_queue_depth", lambda: [(("audit",), 3.0)])
    snapshot = metrics.snapshot()
    again = read_snapshot(snapshot.encode())
    assert again == snapshot
    assert again.worker == "3"


def test_totals_tell_faults_from_answers_that_somebody_did_not_like() -> None:
    metrics = Metrics(everything)
    for outcome in ("ok", "failed", "cancelled", "rate-limited", "invalid-params", "forbidden"):
        metrics.record(recorded(outcome=outcome))
    assert metrics.totals()["time"].faults == 0
    for outcome in ("error", "server-unavailable", "deadline-exceeded", "broken-reply", "overloaded"):
        metrics.record(recorded(outcome=outcome))
    total = metrics.totals()["time"]
    assert (total.calls, total.faults, sum(total.counts)) == (11, 5, 11)


def test_totals_of_workers_add_up() -> None:
    workers = [Metrics(everything), Metrics(everything)]
    for metrics in workers:
        metrics.record(recorded())
    workers[1].record(recorded(server="git", outcome="error"))
    merged = merged_totals(metrics.totals() for metrics in workers)
    assert (merged["time"].calls, merged["git"].faults) == (2, 1)
    assert sum(merged["time"].counts) == 2


def test_all_that_is_counted_here_is_described() -> None:
    metrics = Metrics(everything)
    metrics.record(recorded())
    snapshot = metrics.snapshot()
    assert {*snapshot.values, *snapshot.spreads} <= FAMILIES.keys()
    for name, samples in snapshot.values.items():
        assert all(len(labels) == len(FAMILIES[name].labels) for labels, _ in samples)


def test_importing_it_takes_nothing_heavy_along() -> None:
    code = "import sys, toolgate.observe.tracing, toolgate.observe.export, toolgate.observe.exposition;" + (
        "assert not {'opentelemetry', 'google', 'requests', 'sqlalchemy', 'aiohttp'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
