"""The logs of servers."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from toolgate.observe.server_logs import ServerLogs

NOW = 1_800_000_000.25


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[ServerLogs]:
    opened = ServerLogs(tmp_path / "logs", size=1000, files=3, clock=lambda: NOW)
    yield opened
    await opened.close()


async def test_a_line_has_its_time_and_its_source(logs: ServerLogs, tmp_path: Path) -> None:
    logs.write("time", "stderr", "hello")
    assert await logs.tail("time", 10) == ["2027-01-15T08:00:00.250Z stderr   hello"]
    assert await logs.tail("nobody", 10) == []


async def test_nobody_else_reads_them(logs: ServerLogs, tmp_path: Path) -> None:
    logs.write("time", "stderr", "hello")
    await logs.tail("time", 1)
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs" / "time.log").stat().st_mode & 0o777 == 0o600


async def test_they_take_so_much_room_and_no_more(logs: ServerLogs, tmp_path: Path) -> None:
    for number in range(100):
        logs.write("time", "stderr", f"{number} {'x' * 100}")
        await logs.tail("time", 1)
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "logs").iterdir()}
    assert sorted(sizes) == ["time.log", "time.log.1", "time.log.2"]
    assert max(sizes.values()) <= 1000
    lines = await logs.tail("time", 1000)
    assert lines[-1].split()[2] == "99"
    assert [int(line.split()[2]) for line in lines] == list(range(100 - len(lines), 100))


async def test_what_comes_too_fast_is_left_out_and_that_is_told(tmp_path: Path) -> None:
    logs = ServerLogs(tmp_path / "logs")
    for number in range(5000):
        logs.write("time", "stderr", str(number))
    lines = await logs.tail("time", 10_000)
    assert len(lines) == 2001
    assert lines[-1].endswith("(3000 lines were left out)")
    await logs.close()


async def test_a_state_that_is_said_again_is_written_once(logs: ServerLogs) -> None:
    for state in ("starting", "ready", "ready", "idle"):
        logs.note("time", state, f"{state}!")
    assert [line.split()[-1] for line in await logs.tail("time", 9)] == ["starting!", "ready!", "idle!"]


async def test_what_is_left_is_written_at_the_end(tmp_path: Path) -> None:
    logs = ServerLogs(tmp_path / "logs")
    logs.write("time", "stderr", "last words")
    await logs.close()
    assert "last words" in (tmp_path / "logs" / "time.log").read_text()


async def test_who_follows_misses_nothing_when_a_file_is_full(logs: ServerLogs) -> None:
    logs.write("time", "stderr", "before")
    heard: list[str] = []
    begun = asyncio.Event()

    async def follow() -> None:
        async with aclosing(logs.follow("time", 1)) as following:
            async for lines in following:
                heard.extend(line.split()[2] for line in lines)
                begun.set()
                if "19" in heard:
                    return

    following = asyncio.create_task(follow())
    await begun.wait()
    for number in range(20):
        logs.write("time", "stderr", f"{number} {'x' * 60}")
        if number % 10 == 9:
            await logs.tail("time", 1)
    await asyncio.wait_for(following, 10)
    assert heard == ["before", *(str(number) for number in range(20))]


async def test_a_link_that_somebody_put_there_is_not_followed(logs: ServerLogs, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    target = tmp_path / "target"
    target.write_text("precious")
    os.symlink(target, tmp_path / "logs" / "time.log")
    logs.write("time", "stderr", "hello")
    await logs.tail("nobody", 1)
    assert target.read_text() == "precious"
