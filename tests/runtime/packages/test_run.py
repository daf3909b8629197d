"""What installs runs behind the walls that this machine has."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.runtime.packages.conftest import Open, npx, output, read, uvx
from tests.runtime.packages.registries import Index, Registry
from toolgate.errors import StartFailed
from toolgate.runtime import process
from toolgate.runtime.choose import Choice
from toolgate.runtime.local import local_runtimes
from toolgate.runtime.packages.run import Job, Runner


@pytest.fixture
async def walls(tmp_path: Path) -> AsyncIterator[Choice]:
    runtime = local_runtimes(tmp_path)
    yield runtime
    await runtime.close()


async def test_packages_are_installed_behind_walls(gateway: Open, walls: Choice) -> None:
    packages = gateway(run=Runner(walls))

    node = (await packages.prepared("tiny", npx("@tiny/server"))).launch
    python = (await packages.prepared("tiny", uvx("tiny-server"))).launch

    asked = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n'
    assert b"wave" in await output(node.command, *node.args, given=asked)
    assert await output(python.command, *python.args) == b"tiny 1.1\n"


async def test_an_installer_reaches_the_registry_and_nothing_else(
    walls: Choice, registry: Registry, index: Index, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "room").mkdir()
    script = f"""
for url in {registry.url}/leaf {index.url}/simple/tiny-leaf/; do
  /usr/bin/python3 -c "import urllib.request as u; print(len(u.urlopen('$url', timeout=5).read()) > 0)" 2>&1 | tail -1
done
cat {tmp_path}/secret || echo shut
"""
    hosts = (registry.url.removeprefix("http://"),)
    job = Job(("/bin/sh", "-c", script), tmp_path / "room", {"PATH": "/usr/bin:/bin"}, hosts)

    reached = (await Runner(walls)(job)).text.split("\n")

    assert reached[0] == "True"
    assert "True" not in reached[1:]
    assert "shut" in reached


@pytest.mark.parametrize("code", [0, 3])
async def test_the_status_and_both_streams_are_told(tmp_path: Path, code: int) -> None:
    job = Job(("/bin/sh", "-c", f"echo out; echo err >&2; exit {code}"), tmp_path, {"PATH": "/usr/bin:/bin"})

    result = await Runner(process.start)(job)

    assert result.code == code
    assert result.text.split() == ["out", "err"]


async def test_what_is_given_up_is_killed(tmp_path: Path) -> None:
    job = Job(("/bin/sh", "-c", "echo $$ > pid; mkfifo wait; cat wait"), tmp_path, {"PATH": "/usr/bin:/bin"})
    task = asyncio.create_task(Runner(process.start)(job))
    async with asyncio.timeout(20):
        while not (tmp_path / "wait").exists():  # noqa: ASYNC110  # the file is the event
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    pid = int(read(tmp_path / "pid"))
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_an_installer_that_is_killed_says_so(tmp_path: Path) -> None:
    job = Job(("/bin/sh", "-c", "kill -9 $PPID"), tmp_path, {"PATH": "/usr/bin:/bin"})

    with pytest.raises(StartFailed, match="its installer was killed"):
        await Runner(process.start)(job)
