import os
import socket
from pathlib import Path

import pytest

from toolgate.config.files import Unreadable, read_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_whatever_mark_it_begins_with(path: Path, encoding: str) -> None:
    path.write_bytes("é: ✓\r\n".encode(encoding))
    assert read_text(path, 100) == "é: ✓\r\n"


def test_a_file_of_exactly_the_limit_is_read(path: Path) -> None:
    path.write_text("x" * 100)
    assert len(read_text(path, 100)) == 100
    with pytest.raises(Unreadable, match="larger than"):
        read_text(path, 99)


def test_a_missing_file_is_told_apart(path: Path) -> None:
    with pytest.raises(Unreadable) as caught:
        read_text(path, 100)
    assert caught.value.missing


def test_bytes_that_are_no_text_are_told_with_their_line(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n\xff\n")
    with pytest.raises(Unreadable, match="not UTF-8") as caught:
        read_text(path, 100)
    assert caught.value.line == 3


def test_a_file_that_belongs_to_somebody_else_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()

    def refuse(*_: object) -> int:  # whoever runs the tests as root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Unreadable, match="no permission to read it"):
        read_text(path, 100)


def test_what_is_no_file_is_refused_without_waiting(path: Path, tmp_path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="not a regular file"):
        read_text(path, 100)
    with pytest.raises(Unreadable, match="a folder"):
        read_text(tmp_path, 100)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(Unreadable):
            read_text(tmp_path / "s", 100)
    with pytest.raises(Unreadable, match="not a regular file"):
        read_text(Path("/dev/zero"), 100)
    with pytest.raises(Unreadable, match="not the name of a file"):
        read_text(Path("a\0b"), 100)
