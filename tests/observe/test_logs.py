import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest

from toolgate.observe import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before
    logging.captureWarnings(capture=False)


def test_a_pipe_gets_one_json_object_a_line() -> None:
    out = io.StringIO()
    logs.set_up("info", out)
    token = logs.request_id.set("abc")
    try:
        logging.getLogger("toolgate.room").warning("%d things\nhappened", 2)
    finally:
        logs.request_id.reset(token)
    logging.getLogger("toolgate.room").info("more")
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["level"], first["logger"]) == ("warning", "toolgate.room")
    assert (first["message"], first["request"]) == ("2 things\nhappened", "abc")
    assert first["time"].endswith("Z")
    assert "request" not in second


def test_what_is_known_of_a_request_stands_in_members_of_its_own() -> None:
    out = io.StringIO()
    logs.set_up("info", out)
    extra = {"principal": "key:1", "server": "time", "called": "now", "outcome": "ok", "ms": 1.5, "trace": "ab" * 16}
    logging.getLogger("toolgate.calls").info("it ended", extra={**extra, "arguments": "very-secret"})
    line = json.loads(out.getvalue())
    assert line["name"] == "now"
    assert {key: line[key] for key in extra if key != "called"} == {k: v for k, v in extra.items() if k != "called"}
    assert (line["kind"], line["logger"]) == ("request", "toolgate.calls")
    assert "very-secret" not in out.getvalue()


@pytest.mark.parametrize(
    ("logger", "level", "kind"),
    [
        ("toolgate.runtime.stderr", logging.INFO, "server"),
        ("toolgate.health", logging.INFO, "state"),
        ("toolgate.upstream.supervisor", logging.WARNING, "state"),
        ("toolgate.calls", logging.WARNING, "request"),
        ("toolgate.config", logging.WARNING, "error"),
        ("toolgate.config", logging.INFO, None),
    ],
)
def test_there_are_four_kinds_of_lines(logger: str, level: int, kind: str | None) -> None:
    out = io.StringIO()
    logs.set_up("info", out)
    logging.getLogger(logger).log(level, "it happened")
    assert json.loads(out.getvalue()).get("kind") == kind


@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_every_line_may_be_redacted(out: type[io.StringIO]) -> None:
    stream = out()
    logs.set_up("info", stream, redact=lambda line: line.replace("very-secret", "***"))
    try:
        int("very-secret")
    except ValueError:
        logging.getLogger("toolgate.room").exception("very-secret", extra={"reason": "very-secret"})
    assert "***" in stream.getvalue()
    assert "very-secret" not in stream.getvalue()


def test_a_terminal_gets_short_lines() -> None:
    out = Terminal()
    logs.set_up("info", out)
    logging.getLogger("toolgate.upstream.pool").error("it broke")
    assert out.getvalue()[8:] == " error    upstream.pool  it broke\n"


def test_an_error_comes_with_its_trace() -> None:
    out = io.StringIO()
    logs.set_up("info", out)
    try:
        int("a reason")
    except ValueError:
        logging.getLogger("toolgate.room").exception("it broke")
    assert "ValueError: invalid literal" in json.loads(out.getvalue())["error"]


def test_the_level_is_for_our_own_loggers_and_libraries_stay_quiet() -> None:
    out = io.StringIO()
    logs.set_up("debug", out)
    logging.getLogger("toolgate.room").debug("ours")
    for library in ("uvicorn.error", "aiohttp.access", "sqlalchemy.engine", "anything"):
        logging.getLogger(library).info("theirs")
    assert [json.loads(line)["message"] for line in out.getvalue().splitlines()] == ["ours"]


def test_setting_up_again_replaces_and_does_not_double() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.set_up("info", first)
    logs.set_up("error", second)
    logging.getLogger("toolgate").error("once")
    logging.getLogger("toolgate").warning("not at this level")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_python_warnings_are_logged() -> None:
    out = io.StringIO()
    logs.set_up("info", out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("look here", UserWarning, stacklevel=1)
    assert "look here" in out.getvalue()


def test_importing_it_changes_nothing() -> None:
    code = "import logging, toolgate.observe.logs; assert not logging.getLogger().handlers"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
