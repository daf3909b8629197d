"""`toolgate health` and `toolgate top`, against answers of a table."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.stub import Asked, stub_gateway
from toolgate.cli.health import span
from toolgate.cli.main import toolgate


def entry(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "status": "healthy",
        "reason": "",
        "state": "ready",
        "since": 1.0,
        "uptime_24h": 0.99951,
        "uptime_7d": 1.0,
        "mtbf": 200_000.0,
        "mttr": 45.0,
        "outages_7d": 1,
        "p50_ms": 3.21,
        "p95_ms": 48.0,
        "calls_5m": 100,
        "error_rate_5m": 0.02,
        "calls_per_second": 1.5,
        "in_flight": 2,
        "checked_at": 1.0,
        "check_ms": 1.0,
    } | changes


REPORT: dict[str, Any] = {
    "status": "healthy",
    "reason": "",
    "servers": [entry("time"), entry("git", calls_per_second=9.0)],
    "slo": {
        "alarm": "",
        "availability": {"objective": 0.999, "burn": {"5m": 0.5, "1h": 0.1, "6h": 0.0}},
        "latency": {"objective": 0.99, "ms": 100.0, "burn": {"5m": 0.0, "1h": 0.0, "6h": 0.0}},
    },
}


@pytest.fixture
def report() -> dict[str, Any]:
    return json.loads(json.dumps(REPORT))  # type: ignore[no-any-return]


@pytest.fixture
def gateway(report: dict[str, Any]) -> Iterator[str]:
    def script(asked: Asked) -> tuple[int, str, bytes]:
        assert asked["path"] == "/api/v1/health"
        return 200, "application/json", json.dumps(report).encode()

    with stub_gateway(script) as (url, _):
        yield url


def run(*words: str) -> Result:
    return CliRunner().invoke(toolgate, words)


def test_all_is_well_is_told_to_people_and_to_scripts(gateway: str) -> None:
    result = run("health", "--url", gateway)
    assert result.exit_code == 0
    first, head, time, *_ = result.output.splitlines()
    assert first == "healthy"
    assert head.split()[:2] == ["SERVER", "HEALTH"]
    assert " ".join(time.split()) == "time healthy 99.95 % 100 % 2 d 45 s 3.2 ms 48 ms 2 %"
    assert "99.9 % of calls answered" in result.output
    assert "within 100 ms" in result.output


@pytest.mark.parametrize("condition", ["degraded", "starting", "unhealthy"])
def test_all_is_not_well_ends_with_1(gateway: str, report: dict[str, Any], condition: str) -> None:
    report |= {"status": condition, "reason": "git: it ended with code 1"}
    result = run("health", "--url", gateway)
    assert result.exit_code == 1
    assert result.output.startswith(f"{condition}: git: it ended with code 1\n")
    as_json = run("health", "--url", gateway, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.output) == report


def test_what_is_not_known_is_a_dash(gateway: str, report: dict[str, Any]) -> None:
    unknown = ("uptime_24h", "uptime_7d", "mtbf", "mttr", "p50_ms", "p95_ms", "error_rate_5m")
    report["servers"] = [entry("time", **dict.fromkeys(unknown))]
    line = run("health", "--url", gateway).output.splitlines()[2]
    assert line.split() == ["time", "healthy", *["-"] * 7]


def test_top_prints_one_table_where_nobody_watches_the_busiest_first(gateway: str) -> None:
    lines = run("top", "--url", gateway).output.splitlines()
    assert lines[0] == "healthy  2 servers  10.5 calls/s  4 in flight"
    assert [line.split()[0] for line in lines[1:]] == ["SERVER", "git", "time"]
    assert " ".join(lines[2].split()) == "git ready healthy 9.0 2 3.2 ms 48 ms 2 %"
    assert run("top", "--once", "--url", gateway).output.splitlines() == lines
    assert json.loads(run("top", "--json", "--url", gateway).output) == REPORT


@pytest.mark.parametrize("verb", ["health", "top"])
def test_no_gateway_ends_with_3(verb: str) -> None:
    assert run(verb, "--url", "http://127.0.0.1:1").exit_code == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7200.0, "2 h"), (172_800.0, "2 d")],
)
def test_a_span_is_told_in_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert span(seconds) == text
