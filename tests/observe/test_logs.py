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
