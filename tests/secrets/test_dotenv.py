import os
from pathlib import Path

import pytest

from toolgate.errors import SecretMissing
from toolgate.model.secretref import Reference, Secret
from toolgate.secrets.dotenv import DotenvStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def write(path: Path, text: str | bytes) -> None:
    """Replaces the file as a whole, as editors do."""
    other = path.with_name("other")
    other.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.replace(other, path)


async def value(store: DotenvStore, name: str) -> str | None:
    secret = await store.get(Reference(name))
    return None if secret is None else secret.reveal()


async def test_values_are_taken_as_they_are_written(path: Path) -> None:
    write(path, "export A=1\nB='two words'  # why\nC=\"${A} $A\"\nD=\nE\nF='a#b'\n\n# G=7\n")
    store = DotenvStore(path)
    assert await store.names() == ("A", "B", "C", "D", "F")
    assert [await value(store, name) for name in "ABCDEF"] == ["1", "two words", "${A} $A", "", None, "a#b"]


async def test_a_file_that_is_not_there_has_nothing_and_may_come_later(path: Path) -> None:
    store = DotenvStore(path)
    assert await store.get(Reference("A")) is None
    write(path, "A=now")
    assert await store.get(Reference("A")) == Secret("now")
    os.unlink(path)
    assert await store.get(Reference("A")) is None


async def test_a_changed_file_is_read_again(path: Path) -> None:
    write(path, "A=old")
    store = DotenvStore(path)
    assert await value(store, "A") == "old"
    write(path, "A=new")
    assert await value(store, "A") == "new"


async def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(path: Path) -> None:
    write(path, b"\xef\xbb\xbfA=1\r\nB=2\r\n")
    store = DotenvStore(path)
    assert [await value(store, name) for name in "AB"] == ["1", "2"]


async def test_a_file_that_cannot_be_read_is_told_by_name(path: Path) -> None:
    write(path, b"A=\xff\xfe\xff")
    with pytest.raises(SecretMissing, match=r"\.env cannot be read: the file is not UTF-8 text"):
        await DotenvStore(path).get(Reference("A"))


async def test_a_fifo_does_not_hang_the_reader(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(SecretMissing, match="not a regular file"):
        await DotenvStore(path).get(Reference("A"))
