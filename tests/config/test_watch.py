import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from toolgate.config.watch import changes

QUICK = 0.01


class Watched:
    """Paths being watched. `looked` counts how often they were asked for, and wakes who waits for it."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self.looked = 0
        self.when_looked: Callable[[int], object] = lambda count: None
        self._next = asyncio.Event()

    def __call__(self) -> Iterable[Path]:
        self.looked += 1
        self.when_looked(self.looked)
        self._next.set()
        return self.paths

    async def looks(self, more: int) -> None:
        """Wait until the files were looked at `more` times again."""
        until = self.looked + more
        while self.looked < until:
            self._next.clear()
            await self._next.wait()


@pytest.fixture
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


def replaced(path: Path, text: str) -> None:
    other = path.with_name("other")
    other.write_text(text)
    os.utime(other, ns=(0, 0))
    os.replace(other, path)


@pytest.mark.usefixtures("deadline")
@pytest.mark.parametrize(
    "act",
    [
        lambda path: path.write_text("more than before"),
        lambda path: replaced(path, "same"),
        lambda path: path.unlink(),
        lambda path: path.with_name("new").write_text("x"),
        lambda path: path.chmod(0o400),
    ],
    ids=["written", "replaced", "removed", "made", "permission"],
)
async def test_every_kind_of_change_is_told(tmp_path: Path, act: Callable[[Path], object]) -> None:
    path = tmp_path / "file"
    path.write_text("same")
    os.utime(path, ns=(0, 0))
    watched = Watched(path, tmp_path / "new")
    told = changes(watched, QUICK)
    waiting = asyncio.ensure_future(anext(told))
    await watched.looks(2)
    act(path)
    await waiting


@pytest.mark.usefixtures("deadline")
async def test_nothing_is_told_while_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    watched = Watched(tmp_path / "a", tmp_path / "missing", tmp_path, Path("a\0b"))
    waiting = asyncio.ensure_future(anext(changes(watched, QUICK)))
    await watched.looks(5)
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.usefixtures("deadline")
async def test_a_file_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    watched = Watched(path)
    watched.when_looked = lambda count: path.write_text("x" * count) if 2 < count < 8 else None
    await anext(changes(watched, QUICK))
    assert len(path.read_text()) == 7
    assert watched.looked == 8, "it was seen at rest once more before it was told"


@pytest.mark.usefixtures("deadline")
async def test_a_file_that_never_rests_is_told_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    watched = Watched(path)
    watched.when_looked = lambda count: path.write_text("x" * count)
    await anext(changes(watched, QUICK))


@pytest.mark.usefixtures("deadline")
async def test_files_that_a_reload_names_are_watched_from_then_on(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    watched = Watched(first)
    waiting = asyncio.ensure_future(anext(told := changes(watched, QUICK)))
    await watched.looks(2)
    first.touch()
    await waiting
    watched.paths = (first, second)
    waiting = asyncio.ensure_future(anext(told))
    await watched.looks(3)
    assert not waiting.done(), "a file that is new to the watch is no change"
    second.touch()
    await waiting
