import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from toolgate.cli.outcome import GatewayMissingError
from toolgate.cli.running import Endpoint, RunFile, Running, find

ALIVE = Running(os.getpid(), "http://127.0.0.1:8765", "token", 1.0)


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_run_is_found_by_its_file_which_only_its_owner_reads(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = Running(os.getpid(), f"http://127.0.0.1:{listening.getsockname()[1]}", "token", 1.0)
        RunFile(tmp_path).write(running)
        assert RunFile(tmp_path).read() == running
        assert find(None, {}, tmp_path) == Endpoint(running.url, "token")
    assert find(None, {}, tmp_path) is None  # nobody listens there any more
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600]


def test_the_file_of_a_process_that_is_gone_counts_for_nothing(tmp_path: Path, gone: int) -> None:
    RunFile(tmp_path).write(Running(gone, ALIVE.url, "token", 1.0))
    assert RunFile(tmp_path).read() is None
    assert find(None, {}, tmp_path) is None


@pytest.mark.parametrize("content", ["", "{}", "nonsense", '{"pid": "x"}'])
def test_a_damaged_file_counts_for_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    assert RunFile(tmp_path).read() is None


def test_a_run_removes_its_own_file_only(tmp_path: Path) -> None:
    RunFile(tmp_path).write(ALIVE)
    RunFile(tmp_path).remove(ALIVE.pid + 1)
    assert RunFile(tmp_path).read() == ALIVE
    RunFile(tmp_path).remove(ALIVE.pid)
    assert list(tmp_path.iterdir()) == []


def test_a_url_goes_before_the_file_and_does_not_get_its_token(tmp_path: Path) -> None:
    RunFile(tmp_path).write(ALIVE)
    assert find("http://elsewhere:1/mcp", {}, tmp_path) == Endpoint("http://elsewhere:1", "")
    assert find("http://elsewhere:1/", {"TOOLGATE_KEY": "tg_x"}, tmp_path) == Endpoint("http://elsewhere:1", "tg_x")
    assert find(ALIVE.url, {}, tmp_path) == Endpoint(ALIVE.url, "token")
    with pytest.raises(GatewayMissingError, match="not the address"):
        find("elsewhere:1", {}, tmp_path)


def test_neither_prints_its_secret() -> None:
    assert "token" not in repr(ALIVE)
    assert "tg_x" not in repr(Endpoint("http://elsewhere", "tg_x"))
