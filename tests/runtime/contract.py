"""What every runtime on this machine keeps, and what every sandbox does besides. A test file inherits them, and gives
the fixture `runtime`."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import pytest

from tests.parts.where import Parts
from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Profile
from toolgate.runtime.base import Launch, Running
from toolgate.runtime.protections import Sandbox

__all__ = ["Life", "Told", "Walls", "answer", "processes_named", "started"]

SHELL = "/bin/sh"
SOON = 10.0  # seconds; far more than it takes
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
    b'"clientInfo":{"name":"test","version":"1"}}}'
)


class Told:
    """A `runtime.base.Output` that keeps everything."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def line(self, line: bytes) -> None:
        self.lines.put_nowait(line)

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        self.lines.put_nowait(head)

    def said(self, text: str) -> None:
        """What goes to the log is told with the end, too."""

    def ended(self, reason: str) -> None:
        self.end.set_result(reason)

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.lines.get(), SOON)

    async def ending(self) -> str:
        return await asyncio.wait_for(asyncio.shield(self.end), SOON)


@asynccontextmanager
async def started(runtime: Sandbox, *command: str, **given: object) -> AsyncIterator[tuple[Running, Told]]:
    """A server with this command; `given` are fields of `Launch`."""
    told = Told()
    fields = {"environment": {"PATH": os.environ["PATH"]}, **given}
    launch = Launch(command[0], command[1:], **fields)  # type: ignore[arg-type]  # as the tests give them
    running = await runtime("tested", launch, told, limit=2**20, redact=str)
    try:
        yield running, told
    finally:
        await running.stop(0)


async def answer(runtime: Sandbox, script: str, **given: object) -> str:
    """The first line that a shell script writes."""
    async with started(runtime, SHELL, "-c", script, **given) as (_, told):
        return (await told.next()).decode()


def processes_named(name: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if name.encode() in Path("/proc", pid, "cmdline").read_bytes():
                found.append(int(pid))
        except OSError:  # it ended while we looked
            continue
    return found


def environ_of(pid: int) -> bytes:
    return Path("/proc", str(pid), "environ").read_bytes()


async def gone(name: str) -> None:
    """Wait until no process has this name in its command line."""
    async with asyncio.timeout(SOON):
        while processes_named(name):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Life:
    """Of any runtime."""

    async def test_a_server_reads_what_is_written_and_is_heard(self, runtime: Sandbox) -> None:
        async with started(runtime, "cat") as (running, told):
            running.write(b"one")
            running.write(b"two " * 50_000)
            assert await told.next() == b"one"
            assert await told.next() == b"two " * 50_000

    async def test_it_has_its_arguments_and_its_variables(self, runtime: Sandbox) -> None:
        script = 'echo "$1 $KEY"'
        async with started(
            runtime, SHELL, "-c", script, "sh", "a  b", environment={"PATH": os.defpath, "KEY": "ü\n1"}
        ) as (_, told):
            assert await told.next() == "a  b ü".encode()
            assert await told.next() == b"1"

    async def test_an_end_is_told_with_its_last_words(self, runtime: Sandbox) -> None:
        async with started(runtime, SHELL, "-c", "echo why >&2; exit 3") as (_, told):
            assert await told.ending() == "exited with code 3: why"

    async def test_being_killed_is_told(self, runtime: Sandbox) -> None:
        async with started(runtime, SHELL, "-c", "kill -9 $$") as (_, told):
            assert await told.ending() == "was killed by SIGKILL"

    async def test_it_is_asked_to_leave_before_it_is_killed(self, runtime: Sandbox) -> None:
        script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done"
        async with started(runtime, SHELL, "-c", script) as (running, told):
            assert await told.next() == b"up"
            await running.stop(0)
            assert await told.next() == b"asked"

    async def test_nothing_that_it_started_outlives_a_stop(self, runtime: Sandbox) -> None:
        name = token_hex()
        script = "trap '' TERM; sh -c 'while :; do sleep 1; done' $1 & echo up; wait"
        async with started(runtime, SHELL, "-c", script, "sh", name) as (running, told):
            await told.next()
            assert processes_named(name)
            await running.stop(0)
            await gone(name)

    async def test_a_command_that_is_not_there_is_a_failed_start(self, runtime: Sandbox) -> None:
        with pytest.raises(StartFailed, match="does not exist"):
            async with started(runtime, "/there/is/none"):
                pass

    async def test_nothing_is_left_of_many(self, runtime: Sandbox) -> None:
        name, before = token_hex(), len(os.listdir("/proc/self/fd"))

        async def once(at: int) -> None:
            script = ("exit 1", "kill -9 $$", "cat", "sleep 60 & sleep 60")[at % 4]
            async with started(runtime, SHELL, "-c", f"echo up; {script}", name) as (_, told):
                assert await told.next() == b"up"

        for first in range(0, 24, 4):
            await asyncio.gather(*(once(first + at) for at in range(4)))
        await gone(name)
        assert len(os.listdir("/proc/self/fd")) <= before + 2  # what is kept of the machine


class Walls(Life):
    """Of any sandbox."""

    async def test_files_of_the_machine_are_not_there(self, runtime: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        # As two words, since a path that is named as an argument is shown.
        script = f'cat "/{str(tmp_path)[1:]}/secret" 2>/dev/null || echo none'
        assert await answer(runtime, script) == "none"

    async def test_what_it_is_given_can_be_read_and_not_written(self, runtime: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("content\n")
        script = f"cat {tmp_path}/file; echo x 2>/dev/null >{tmp_path}/other || echo no"
        profile = Profile(mounts=(Mount(str(tmp_path)),))
        async with started(runtime, SHELL, "-c", script, profile=profile) as (_, told):
            assert await told.next() == b"content"
            assert await told.next() == b"no"
        assert not (tmp_path / "other").exists()

    async def test_what_it_writes_on_a_writable_mount_is_of_the_folders_owner(
        self, runtime: Sandbox, tmp_path: Path
    ) -> None:
        profile = Profile(mounts=(Mount(str(tmp_path), writable=True),))
        assert await answer(runtime, f"echo x >{tmp_path}/made && cat {tmp_path}/made", profile=profile) == "x"
        assert os.stat(tmp_path / "made").st_uid == os.stat(tmp_path).st_uid

    async def test_its_working_folder_is_seen(self, runtime: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "here").write_text("yes\n")
        assert await answer(runtime, "cat here", cwd=str(tmp_path)) == "yes"

    async def test_a_mount_that_is_not_there_is_a_failed_start(self, runtime: Sandbox, tmp_path: Path) -> None:
        with pytest.raises(StartFailed, match="which it is given, does not exist"):
            await answer(runtime, "cat", profile=Profile(mounts=(Mount(f"{tmp_path}/none"),)))

    async def test_its_home_is_its_own_and_empty_each_time(self, runtime: Sandbox) -> None:
        script = 'ls -A "$HOME" | wc -l; echo x >"$HOME/kept"; echo x >"$TMPDIR/kept"'
        environment = {"PATH": os.defpath, "HOME": os.environ.get("HOME", "/")}
        for _ in range(2):
            assert (await answer(runtime, script, environment=environment)).strip() == "0"

    async def test_a_persistent_home_survives_for_its_owner_alone(self, runtime: Sandbox) -> None:
        profile, script = Profile(persistent=True), 'cat "$HOME/kept" 2>/dev/null || echo new; echo old >"$HOME/kept"'
        async with started(runtime, SHELL, "-c", script, profile=profile, owner="one") as (_, told):
            assert await told.next() == b"new"
            await told.ending()
        assert await answer(runtime, script, profile=profile, owner="one") == "old"
        assert await answer(runtime, script, profile=profile, owner="two") == "new"

    async def test_what_it_is_given_stands_on_no_command_line_and_in_no_environment_of_others(
        self, runtime: Sandbox
    ) -> None:
        secret = token_hex()
        environment = {"PATH": os.defpath, "KEY": secret}
        async with started(runtime, "cat", environment=environment) as (running, told):
            running.write(b"up")
            await told.next()
            assert not processes_named(secret)
            assert secret.encode() not in environ_of(running.pid)

    async def test_nobody_outlives_the_gateway(self, runtime: Sandbox, tmp_path: Path) -> None:
        name = token_hex()
        script = f"setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' {name} & echo up; cat"
        program = await asyncio.create_subprocess_exec(*gateway_of(runtime, tmp_path, script), stdout=subprocess.PIPE)
        assert program.stdout is not None
        assert await asyncio.wait_for(program.stdout.readline(), SOON) == b"up\n"
        assert processes_named(name)
        program.kill()
        await program.wait()
        await gone(name)

    @pytest.mark.parametrize("seconds", [0.005, 0.01, 0.02, 0.04])
    async def test_nobody_outlives_a_gateway_that_dies_while_it_starts_one(
        self, runtime: Sandbox, tmp_path: Path, seconds: float
    ) -> None:
        name = token_hex()
        script = f"exec sh -c 'while :; do sleep 1; done' {name}"
        program = await asyncio.create_subprocess_exec(*gateway_of(runtime, tmp_path, script), stdout=subprocess.PIPE)
        async with asyncio.timeout(SOON):
            while len(processes_named(name)) < 2:  # noqa: ASYNC110  # it and what it starts
                await asyncio.sleep(0)
            await asyncio.sleep(seconds)
        program.kill()
        await program.wait()
        await gone(name)

    @pytest.mark.parametrize("server", ["everything", "filesystem", "memory", "time", "git"])
    async def test_a_real_server_answers(self, runtime: Sandbox, parts: Parts, tmp_path: Path, server: str) -> None:
        command = {
            "everything": parts.node("server-everything"),
            "filesystem": [*parts.node("server-filesystem"), str(tmp_path)],
            "memory": parts.node("server-memory"),
            "time": parts.server("mcp-server-time"),
            "git": parts.server("mcp-server-git"),
        }[server]
        async with started(runtime, *command) as (running, told):
            running.write(INITIALIZE)
            assert b'"protocolVersion"' in await told.next()
            running.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
            running.write(b'{"jsonrpc":"2.0","id":2,"method":"tools/list"}')
            while b'"id":2' not in (line := await told.next()):
                pass
            assert b'"tools"' in line


PROGRAM = """
    import asyncio, sys
    from pathlib import Path
    from {module} import {kind}
    from toolgate.runtime.base import Launch

    class Output:
        def line(self, line): print(line.decode(), flush=True)
        def oversized(self, *_): pass
        def said(self, text): print(text, file=sys.stderr, flush=True)
        def ended(self, reason): print(reason, flush=True)

    async def main():
        launch = Launch("/bin/sh", ("-c", sys.argv[2]), {{"PATH": "/usr/bin:/bin"}})
        await {kind}(Path(sys.argv[1]))("tested", launch, Output(), limit=2**20, redact=str)
        await asyncio.Event().wait()

    asyncio.run(main())
"""


def gateway_of(runtime: Sandbox, state: Path, script: str) -> list[str]:
    """The command of a program that starts one server with a shell script, and passes on what that writes."""
    kind = type(runtime)
    source = textwrap.dedent(PROGRAM).format(module=kind.__module__, kind=kind.__name__)
    return [sys.executable, "-c", source, str(state), script]
