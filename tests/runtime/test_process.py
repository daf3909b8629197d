import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from toolgate.errors import StartFailed
from toolgate.runtime import process
from toolgate.runtime.base import Launch
from toolgate.runtime.process import Process

Run = Callable[[Coroutine[Any, Any, None]], None]


class Reader:
    """Implements `Output`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.skipped: list[tuple[bytes, bytes, int]] = []
        self.reason = ""
        self._news = asyncio.Event()

    def line(self, line: bytes) -> None:
        self.lines.append(line)
        self._news.set()

    def said(self, text: str) -> None: ...

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        self.skipped.append((head, tail, size))
        self._news.set()

    def ended(self, reason: str) -> None:
        self.reason = reason
        self._news.set()

    async def until(self, hoped: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not hoped():
                self._news.clear()
                await self._news.wait()


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Everything here holds on both event loops."""
    runner: Run = request.param
    return runner


async def begin(script: str, *, env: dict[str, str] | None = None, cwd: str | None = None) -> tuple[Process, Reader]:
    reader = Reader()
    launch = Launch("sh", ("-c", script), {"PATH": os.environ["PATH"], **(env or {})}, cwd)
    return await process.start("test", launch, reader, limit=32 << 20, redact=str), reader


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def dead(pid: int) -> None:
    """Wait for the end of a process that is not our child, of which nobody tells."""
    async with asyncio.timeout(5):
        while alive(pid):  # noqa: ASYNC110
            await asyncio.sleep(0)


def test_lines_go_in_and_out(run: Run, tmp_path: Path) -> None:
    async def scene() -> None:
        running, reader = await begin("pwd; echo $SECRET; cat", env={"SECRET": "s"}, cwd=str(tmp_path))
        await running.ready()
        running.write(b"hello")
        await reader.until(lambda: len(reader.lines) == 3)
        assert reader.lines == [str(tmp_path).encode(), b"s", b"hello"]
        await running.stop(5)
        assert reader.reason == "exited with code 0"

    run(scene())


def test_a_child_gets_exactly_its_environment(run: Run) -> None:
    async def scene() -> None:
        reader = Reader()
        launch = Launch("/usr/bin/env", (), {"ONE": "1"})
        running = await process.start("test", launch, reader, limit=1000, redact=str)
        await reader.until(lambda: reader.reason)
        assert reader.lines == [b"ONE=1"]
        await running.stop(1)

    run(scene())


def test_what_it_wrote_before_it_died_is_read_and_its_last_words_are_the_reason(run: Run) -> None:
    async def scene() -> None:
        running, reader = await begin("echo out; echo why >&2; exit 4")
        await reader.until(lambda: reader.reason)
        assert reader.lines == [b"out"]
        assert reader.reason == "exited with code 4: why"
        await running.stop(1)

    run(scene())


def test_a_signal_has_a_name(run: Run) -> None:
    async def scene() -> None:
        running, reader = await begin("kill -SEGV $$")
        await reader.until(lambda: reader.reason)
        assert reader.reason == "was killed by SIGSEGV"
        await running.stop(1)

    run(scene())


def test_an_orphan_of_a_dead_launcher_is_killed(run: Run) -> None:
    async def scene() -> None:
        running, reader = await begin("sleep 1000 & echo $!; sleep 0.1; exit 1")
        await reader.until(lambda: reader.reason)
        await running.stop(1)
        await dead(int(reader.lines[0]))

    run(scene())


def test_a_group_that_ignores_sigterm_is_killed_in_time(run: Run) -> None:
    async def scene() -> None:
        running, reader = await begin("trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $!; wait")
        await reader.until(lambda: reader.lines)
        began = time.monotonic()
        await running.stop(0.2)
        assert time.monotonic() - began < 4
        assert reader.reason == "was killed by SIGKILL"
        await dead(int(reader.lines[0]))

    run(scene())


def test_a_line_of_64_megabytes_is_cheap_and_skipped(run: Run) -> None:
    async def scene() -> None:
        writer = "import sys; sys.stdout.write('x' * (64 << 20)); print(); print('after')"
        running, reader = await begin(f'exec {sys.executable} -c "{writer}"')
        began = time.process_time()
        await reader.until(lambda: reader.lines)
        assert time.process_time() - began < 2
        assert reader.skipped[0][2] == 64 << 20
        assert reader.lines == [b"after"]
        await running.stop(1)

    run(scene())


def test_a_child_that_does_not_read_makes_writers_wait_and_takes_only_so_much(run: Run) -> None:
    async def scene() -> None:
        running, _ = await begin("sleep 1000")
        running.write(b"x" * 500_000)  # more than any loop's pipes hold
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running.ready(), 0.1)
        posted = 0
        while running.post(b"x" * 10_000):
            posted += 1
        assert posted < 200
        await running.stop(0.1)

    run(scene())


def test_stop_may_be_called_twice_and_after_the_end(run: Run) -> None:
    async def scene() -> None:
        running, _ = await begin("cat")
        await asyncio.gather(running.stop(1), running.stop(1))
        await running.stop(1)
        assert not alive(running.pid)

    run(scene())


def test_no_descriptor_is_left(run: Run) -> None:
    async def scene() -> None:
        first, _ = await begin("cat")
        await first.stop(1)
        before = psutil.Process().num_fds()
        for script in ("cat", "exit 1", "sleep 100 & cat", "exec >&-; cat"):
            running, _ = await begin(script)
            running.write(b"x" * 200_000)
            await running.stop(0.2)
        async with asyncio.timeout(5):
            while psutil.Process().num_fds() > before:  # noqa: ASYNC110  # nobody tells of those either
                await asyncio.sleep(0)

    run(scene())


def test_children_do_not_outlive_a_gateway_that_is_killed() -> None:
    script = (
        "import asyncio, sys; from toolgate.runtime import process; from toolgate.runtime.base import Launch\n"
        "class Out:\n"
        "    def line(self, line): print(line.decode(), flush=True)\n"
        "    oversized = ended = said = print\n"
        "async def main():\n"
        "    child = Launch('/bin/sh', ('-c', 'trap \"\" TERM; echo $$; while :; do sleep 0.1; done'))\n"
        "    await process.start('x', child, Out(), limit=100, redact=str)\n"
        "    await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        child = int(gateway.stdout.readline())
        assert alive(child)
        gateway.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while alive(child):
        assert time.monotonic() < deadline


async def test_what_cannot_be_run_is_refused_with_advice(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    text.chmod(0o755)
    cases = [
        (Launch("npx", (), {"PATH": "/nowhere"}), "install Node.js"),
        (Launch("uvx", (), {"PATH": "/nowhere"}), "install uv"),
        (Launch("CMD", ("/C", "npx"), {}), "npx itself"),
        (Launch("npx.cmd", (), {}), "the command is npx"),
        (Launch(str(tmp_path), (), {}), "chmod"),
        (Launch("sh", (), {"PATH": "/bin"}, cwd="/no/such/place"), "create it"),
        (Launch(str(text), (), {}), ""),
        (Launch("sh", ("a\0b",), {"PATH": "/bin"}), ""),
    ]
    for launch, advice in cases:
        with pytest.raises(StartFailed) as refused:
            await process.start("x", launch, Reader(), limit=100, redact=str)
        assert advice in refused.value.hint
        assert refused.value.message
