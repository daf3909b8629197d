import asyncio
import platform
from math import inf, nan

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from tests.observe.calls import recorded
from toolgate import __version__
from toolgate.observe.exposition import OPENMETRICS, TEXT, exposition, media_type, paced
from toolgate.observe.families import FAMILIES, Family, Kind
from toolgate.observe.metrics import Metrics, Snapshot

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: bytes) -> Samples:
    """As Prometheus's own client reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_format(text.decode())
        for sample in family.samples
    }


def key(sample: str, /, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return sample, frozenset(labels.items())


def counted(worker: str = "0") -> Metrics:
    metrics = Metrics(lambda server, method, name: True, worker)
    metrics.record(recorded(seconds=0.004))
    metrics.record(recorded(seconds=0.0001))
    metrics.record(recorded(seconds=100))
    metrics.read("toolgate_sessions", lambda: 2)
    metrics.read("toolgate_server_state", lambda: [(("time", "ready"), 1.0 if worker == "0" else 0.0)])
    metrics.read("process_open_fds", lambda: 10)
    return metrics


def test_what_is_counted_is_read_back_by_prometheus() -> None:
    samples = read(exposition([counted().snapshot()]))
    labels = {"server": "time", "method": "tools/call", "era": "modern"}
    assert samples[key("toolgate_calls_total", **labels, name="now", outcome="ok")] == 3
    assert samples[key("toolgate_call_seconds_bucket", **labels, le="0.0005")] == 1
    assert samples[key("toolgate_call_seconds_bucket", **labels, le="0.005")] == 2
    assert samples[key("toolgate_call_seconds_bucket", **labels, le="60.0")] == 2
    assert samples[key("toolgate_call_seconds_bucket", **labels, le="+Inf")] == 3
    assert samples[key("toolgate_call_seconds_count", **labels)] == 3
    assert samples[key("toolgate_call_seconds_sum", **labels)] == pytest.approx(100.0041)


def test_a_call_at_the_edge_of_a_bucket_belongs_to_it() -> None:
    metrics = Metrics(lambda server, method, name: True)
    metrics.record(recorded(seconds=0.1))
    samples = read(exposition([metrics.snapshot()]))
    labels = {"server": "time", "method": "tools/call", "era": "modern"}
    assert samples[key("toolgate_call_seconds_bucket", **labels, le="0.05")] == 0
    assert samples[key("toolgate_call_seconds_bucket", **labels, le="0.1")] == 1


def test_the_figures_of_workers_are_added_compared_or_kept_apart() -> None:
    samples = read(exposition([counted("0").snapshot(), counted("1").snapshot()]))
    labels = {"server": "time", "method": "tools/call", "era": "modern"}
    assert samples[key("toolgate_calls_total", **labels, name="now", outcome="ok")] == 6
    assert samples[key("toolgate_call_seconds_bucket", **labels, le="0.005")] == 4
    assert samples[key("toolgate_sessions")] == 4
    assert samples[key("toolgate_workers")] == 2
    assert samples[key("toolgate_server_state", server="time", state="ready")] == 1
    assert samples[key("process_open_fds", worker="0")] == samples[key("process_open_fds", worker="1")] == 10


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", 'x"} 1\ntoolgate_sessions 99', "ü€", "a\\nb"])
def test_a_label_cannot_be_more_than_a_label(value: str) -> None:
    snapshot = Snapshot("0", {"toolgate_refusals_total": [((value,), 1.0)]}, {})
    assert read(exposition([snapshot])) == {key("toolgate_refusals_total", limit=value): 1.0}


def test_numbers_that_are_none_are_written_as_prometheus_writes_them() -> None:
    snapshot = Snapshot("0", {"toolgate_queue_depth": [(("a",), inf), (("b",), -inf), (("c",), nan)]}, {})
    lines = exposition([snapshot]).decode().splitlines()
    assert [line.split()[-1] for line in lines[2:]] == ["+Inf", "-Inf", "NaN"]


def test_openmetrics_is_given_to_those_who_ask_for_it() -> None:
    assert media_type("application/openmetrics-text;version=1.0.0,text/plain;q=0.5") == OPENMETRICS
    assert media_type("*/*") == media_type(None) == TEXT
    text = exposition([counted().snapshot()], OPENMETRICS).decode()
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in openmetrics(text)}  # type: ignore[no-untyped-call]  # it ships no types
    assert families["toolgate_calls"].type == "counter"
    assert families["toolgate_call_seconds"].type == "histogram"


def test_what_nobody_counted_is_not_shown() -> None:
    samples = read(exposition([Metrics(lambda server, method, name: True).snapshot()]))
    build = key("toolgate_build_info", version=__version__, python=platform.python_version())
    assert samples == {build: 1.0, key("toolgate_workers"): 1.0}


async def test_a_long_text_is_written_in_steps_between_which_others_run() -> None:
    metrics = Metrics(lambda server, method, name: True)
    for number in range(200):
        metrics.record(recorded(server=f"server{number}"))
    snapshots = [metrics.snapshot()]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    text = await paced(snapshots)
    running.cancel()
    assert text == exposition(snapshots)
    assert turns >= text.count(b"\n") // 500


def test_figures_of_another_version_are_left_out() -> None:
    assert exposition([Snapshot("0", {"toolgate_from_the_future": [((), 1.0)]}, {})]) == b""


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_names_are_as_prometheus_recommends(family: Family) -> None:
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.help.endswith(".")
