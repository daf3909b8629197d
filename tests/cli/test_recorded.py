"""`usage`, `advice` and `audit`: from the database where no gateway runs, else from the gateway."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.stub import Asked, stub_gateway
from tests.recording.calls import a_call
from toolgate.cli.main import toolgate
from toolgate.cli.recorded import bytes_text
from toolgate.observe.recorded import Recorded
from toolgate.recording.recorder import Recorder
from toolgate.store.database import Database

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("TOOLGATE_URL", "TOOLGATE_KEY", "TOOLGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TOOLGATE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(toolgate, words)

    return run


@pytest.fixture
def recorded(tmp_path: Path) -> None:
    now = time.time()
    _record(
        tmp_path / "state",
        a_call(at=now - 7200, outcome="error"),
        a_call(at=now),
        a_call("now", at=now, server="time", principal="local", team="", cached=True),
    )


def _record(state: Path, *calls: Recorded) -> None:
    async def work() -> None:
        database = await Database.open("sqlite", state)
        recorder = Recorder.open(database)
        for call in calls:
            recorder.put(call)
        await recorder.close()
        await database.close()

    asyncio.run(work())


def answered(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("recorded")
def test_usage_is_a_table_of_what_was_called(run: Run) -> None:
    shown = run("usage")
    assert shown.exit_code == 0, shown.output
    head, *rows = shown.stdout.splitlines()[1:]
    assert head.split()[:3] == ["SERVER", "NAME", "CALLS"]
    assert rows[0].split()[:4] == ["github", "search", "2", "50.0%"]
    assert rows[1].split()[:4] == ["time", "now", "1", "100.0%"]
    assert "3 calls since" in shown.stdout
    assert "an estimate" in shown.stderr


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(("by", "first"), [("user", "key:abcdefgh"), ("team", "platform"), ("server", "github")])
def test_usage_is_told_by_what_is_asked_for(run: Run, by: str, first: str) -> None:
    told = answered(run("usage", "--by", by, "--since", "30d", "--json"))
    assert next(iter(told["rows"][0].values())) == first
    assert first in run("usage", "--by", by, "--csv").stdout.splitlines()[1]


def test_usage_without_any_call_is_no_error(run: Run) -> None:
    assert "0 calls" in run("usage").stdout
    assert answered(run("audit", "--json")) == {"records": []}
    assert "nothing stands out" in run("advice").stderr


@pytest.mark.usefixtures("recorded")
def test_the_audit_log_shows_the_newest_last_and_is_searched(run: Run) -> None:
    lines = run("audit").stdout.splitlines()[1:]
    assert ["error" in line for line in lines] == [True, False, False]
    assert "ok (cached)" in lines[2]
    assert [row["name"] for row in answered(run("audit", "-n", "1", "--json"))["records"]] == ["now"]
    assert len(answered(run("audit", "--since", "1h", "--json"))["records"]) == 2
    assert len(answered(run("audit", "--server", "time", "--outcome", "ok", "--json"))["records"]) == 1
    assert len(answered(run("audit", "--principal", "the owner of local", "--json"))["records"]) == 1


def test_a_search_that_took_too_long_says_what_it_did_not_look_at(run: Run) -> None:
    def script(asked: Asked) -> tuple[int, str, bytes]:
        return 200, "application/json", b'{"records": [], "searched_since": 1790000000.5}'

    with stub_gateway(script) as (url, _):
        shown = run("audit", "--url", url)
        assert shown.exit_code == 0
        assert "were not looked at" in shown.stderr
        assert answered(run("audit", "--url", url, "--json"))["searched_since"] == 1790000000.5


def test_advice_says_what_to_do(run: Run, tmp_path: Path) -> None:
    _record(tmp_path / "state", *(a_call(at=time.time(), outcome="error") for _ in range(20)))
    shown = run("advice").stdout
    assert "failing  github fails 100% of its calls" in shown
    assert "try: `toolgate doctor github`" in shown
    assert answered(run("advice", "--json"))["advice"][0]["kind"] == "failing"


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("usage", "--by", "team", "--since", "30d"), "/api/v1/usage?by=team&since=30d"),
        (("advice",), "/api/v1/advice?since=30d"),
        (("audit", "--server", "a b", "-n", "3"), "/api/v1/audit?server=a+b&most=3"),
    ],
)
def test_a_gateway_that_runs_is_asked(run: Run, words: tuple[str, ...], path: str) -> None:
    def script(asked: Asked) -> tuple[int, str, bytes]:
        return 200, "application/json", b'{"told": true}'

    with stub_gateway(script) as (url, requests):
        assert answered(run(*words, "--url", url, "--json")) == {"told": True}
    assert [asked["path"] for asked in requests] == [path]


@pytest.mark.parametrize(
    "words",
    [("usage", "--since", "long"), ("usage", "--csv", "--json"), ("usage", "--by", "moon"), ("audit", "-n", "0")],
)
def test_what_cannot_be_asked_is_wrong_usage(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (999_990, "1.0 MB"), (5 * 10**12, "5000.0 GB")]
)
def test_sizes_are_told_shortly(size: int, text: str) -> None:
    assert bytes_text(size) == text
