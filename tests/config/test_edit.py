import os
import stat
import threading
from multiprocessing import get_context
from pathlib import Path

import pytest

from toolgate.config.edit import add_server, remove_server
from toolgate.config.load import read_document
from toolgate.config.lock import locked
from toolgate.errors import ConfigError

WRITTEN = """\
# My servers.
version: 1   # the only one

servers:
  # Tells the time.
  time:
    command: uvx
    args: ['mcp-server-time', "--local-timezone", UTC]   # quoted as I like

  docs:
    url: https://docs.example.com/mcp
    headers:
      Authorization: "Bearer ${DOCS_TOKEN}"

access:
  allowed_hosts:
    - gate.example.com
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toolgate.yaml"


def names(path: Path) -> list[str]:
    return list(read_document(path, {}).servers)


def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/toolgate.yaml"
    add_server(path, "a", {"command": "npx", "args": ["-y", "x"]})
    assert path.read_text() == "version: 1\nservers:\n  a:\n    command: npx\n    args:\n    - -y\n    - x\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_its_owner_wrote_stays(path: Path) -> None:
    path.write_text(WRITTEN)
    add_server(path, "new", {"url": "https://new.example.com/mcp"})
    lines = path.read_text().splitlines()
    assert [line for line in lines if line not in WRITTEN.splitlines()] == [
        "  new:",
        "    url: https://new.example.com/mcp",
    ]
    assert names(path) == ["time", "docs", "new"]
    remove_server(path, "new")
    assert [line for line in path.read_text().splitlines() if line] == [line for line in WRITTEN.splitlines() if line]


def test_indentation_and_line_ends_are_kept(path: Path) -> None:
    text = "version: 1\r\nservers:\r\n    a:\r\n        command: x\r\n        args:\r\n            - one\r\n"
    path.write_bytes(text.encode())
    add_server(path, "b", {"command": "y", "args": ["two"]})
    added = "    b:\r\n        command: y\r\n        args:\r\n            - two\r\n"
    assert path.read_bytes().decode() == text + added


def test_removing_the_last_server_leaves_a_valid_document(path: Path) -> None:
    add_server(path, "a", {"command": "x"})
    remove_server(path, "a")
    assert names(path) == []
    add_server(path, "b", {"command": "x"})
    assert names(path) == ["b"]


def test_text_that_looks_like_something_else_stays_text(path: Path) -> None:
    add_server(path, "a", {"command": "x", "env": {"A": "true", "B": "0123", "C": "${X:-y}", "D": "a: b # c", "E": ""}})
    env = read_document(path, {}).servers["a"].env
    assert {name: text.text for name, text in env.items()} == {
        "A": "true", "B": "0123", "C": "${X:-y}", "D": "a: b # c", "E": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "entry", "field"),
    [
        ("bad name", {"command": "x"}, 'servers["bad name"]'),
        ("a", {"comand": "x"}, "servers.a.comand"),
        ("a", {"url": "nonsense"}, "servers.a.url"),
        ("time", {"command": "x"}, "servers.time"),
    ],
)
def test_nothing_is_written_that_could_not_be_read(path: Path, name: str, entry: dict[str, str], field: str) -> None:
    path.write_text(WRITTEN)
    with pytest.raises(ConfigError) as caught:
        add_server(path, name, entry)
    assert caught.value.field == field
    assert path.read_text() == WRITTEN
    assert sorted(file.name for file in path.parent.iterdir()) == [".toolgate.yaml.lock", "toolgate.yaml"]


def test_a_server_is_replaced_on_request(path: Path) -> None:
    path.write_text(WRITTEN)
    add_server(path, "time", {"command": "other"}, replace=True)
    assert read_document(path, {}).servers["time"].args == ()


def test_removing_what_is_not_there_says_what_is(path: Path) -> None:
    path.write_text(WRITTEN)
    with pytest.raises(ConfigError) as caught:
        remove_server(path, "tme")
    assert caught.value.hint == "it has time, docs"
    with pytest.raises(ConfigError, match="no such file"):
        remove_server(path.with_name("missing.yaml"), "a")


def test_a_document_that_is_broken_already_is_left_alone(path: Path) -> None:
    path.write_text("version: 1\ntimeout: never\n")
    with pytest.raises(ConfigError, match="2: timeout: should be a number"):
        add_server(path, "a", {"command": "x"})
    assert path.read_text() == "version: 1\ntimeout: never\n"


def test_a_link_stays_a_link_and_the_mode_stays(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles/gate.yaml"
    real.parent.mkdir()
    real.write_text("version: 1\n")
    real.chmod(0o640)
    path.symlink_to("dotfiles/gate.yaml")
    add_server(path, "a", {"command": "x"})
    assert path.is_symlink()
    assert names(real) == ["a"]
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_folder_or_a_loop_in_its_place_is_told(path: Path) -> None:
    path.symlink_to(path)
    with pytest.raises(ConfigError):
        add_server(path, "a", {"command": "x"})
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="this is a folder"):
        add_server(path, "a", {"command": "x"})


def _add_many(path: Path, prefix: str, count: int) -> None:
    for number in range(count):
        add_server(path, f"{prefix}{number}", {"command": "x"})


def test_two_programs_that_write_at_once_lose_nothing(path: Path) -> None:
    context = get_context("spawn")
    writers = [context.Process(target=_add_many, args=(path, prefix, 8)) for prefix in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert sorted(names(path)) == sorted(f"{prefix}{number}" for prefix in "ab" for number in range(8))


def test_a_writer_that_does_not_end_is_not_waited_for_without_end(path: Path) -> None:
    refusals: list[ConfigError] = []

    def second() -> None:
        try:
            with locked(path, deadline=0.05):
                pass
        except ConfigError as error:
            refusals.append(error)

    with locked(path):
        other = threading.Thread(target=second)
        other.start()
        other.join(10)
    assert [error.reason for error in refusals] == ["another program is changing this file"]
    with locked(path, deadline=0):
        assert os.path.exists(path.with_name(".toolgate.yaml.lock"))
