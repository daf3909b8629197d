"""Servers in real containers."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.runtime.test_process import Reader
from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Profile, Wall
from toolgate.runtime.base import Launch
from toolgate.runtime.container import LABEL, Containers
from toolgate.runtime.container_host import IMAGE, empty_image
from toolgate.runtime.protections import Grade

ENGINE = "podman"
GATEWAY = f"tests-{os.getpid()}"
MOUNTS = (Mount("/usr"),)
TALKS = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"
STAYS = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
while True: time.sleep(9)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Containers:
    return Containers(ENGINE, GATEWAY, runtime="runc", folder=tmp_path)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    assert await containers() == []


def words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


async def ask(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(ENGINE, *words, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()


async def containers(gateway: str = GATEWAY) -> list[str]:
    return (await ask("ps", "--all", "--quiet", "--filter", f"label={LABEL}={gateway}")).split()


def python(script: str, *args: str, profile: Profile | None = None, **environment: str) -> Launch:
    """The machine's own interpreter, in a container that has nothing else."""
    names = [word for name in environment for word in ("-e", name)]
    words = ("run", "-i", "--rm", *names, IMAGE, "/usr/bin/python3", "-c", script, *args)
    return Launch("docker", words, environment, profile=profile or Profile(mounts=MOUNTS))


async def said(engine: Containers, launch: Launch) -> list[Any]:
    """What it prints until its end."""
    reader = Reader()
    running = await engine("boxed", launch, reader, limit=1 << 20, redact=str)
    try:
        await reader.until(lambda: reader.reason)
    finally:
        await running.stop(0)
    assert reader.lines, reader.reason
    return [json.loads(line) for line in reader.lines]


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    """There before any test asks for it by its name."""
    subprocess.run([ENGINE, "import", "-", IMAGE], input=empty_image(), check=True, capture_output=True)


async def test_lines_go_in_and_out(engine: Containers) -> None:
    reader = Reader()
    running = await engine("boxed", python(TALKS), reader, limit=1 << 20, redact=str)
    try:
        running.write(b"hello")
        await reader.until(lambda: reader.lines == [b"HELLO"])
        assert len(await containers()) == 1
    finally:
        await running.stop(2)
    assert "0" in reader.reason


async def test_the_probe_finds_the_walls(engine: Containers) -> None:
    found = await engine.probe()
    assert {wall for wall, finding in found.items() if finding.grade is Grade.ENFORCED} == set(Wall), found


async def test_its_limits_are_those_of_its_profile(engine: Containers) -> None:
    script = """
import json, os, resource
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print(json.dumps({
    'uid': os.getuid(), 'capabilities': status['CapBnd'].strip(), 'again': status['NoNewPrivs'].strip(),
    'seccomp': status['Seccomp'].strip(), 'files': resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    'tmp': os.statvfs('/tmp').f_blocks * os.statvfs('/tmp').f_frsize, 'links': os.listdir('/sys/class/net'),
    'home': os.environ['HOME'], 'written': os.access('/', os.W_OK),
}))
"""
    profile = Profile(mounts=MOUNTS, tmp=8 * 2**20)
    [told] = await said(engine, python(script, profile=profile))
    assert told["uid"] >= 1000
    assert told == {
        "uid": told["uid"],
        "capabilities": "0" * 16,
        "again": "1",
        "seccomp": "2",
        "files": 256,
        "tmp": 8 * 2**20,
        "links": ["lo"],
        "home": "/home/mcp",
        "written": False,
    }
    [other] = await said(engine, replace(python(script, profile=profile), owner="somebody"))
    assert other["uid"] != told["uid"]


async def test_only_the_hosts_that_it_was_granted_have_a_name(engine: Containers) -> None:
    script = """
import json, socket
def found(name):
    try:
        return socket.gethostbyname(name)
    except OSError:
        return None
print(json.dumps([found('api.example.com'), found('other.example.com'), found('localhost')]))
"""
    launch = python(script, profile=Profile(mounts=MOUNTS, network=("api.example.com",)))
    [[granted, other, localhost]] = await said(engine, launch)
    assert granted.startswith("127.1.")
    assert (other, localhost) == (None, "127.0.0.1")


async def test_values_of_variables_are_on_no_command_line(engine: Containers) -> None:
    script = "import os, sys\nprint(os.environ['TOKEN'], flush=True)\nsys.stdin.read()"
    reader = Reader()
    running = await engine("boxed", python(script, TOKEN="very-secret"), reader, limit=1 << 20, redact=str)
    try:
        await reader.until(lambda: reader.lines)
        assert reader.lines == [b"very-secret"]
        assert not any("very-secret" in word for process in psutil.process_iter() for word in words_of(process))
    finally:
        await running.stop(2)


async def test_what_the_engine_goes_by_is_not_for_a_definition_to_change(engine: Containers) -> None:
    script = "import json, os\nprint(json.dumps([os.environ['PATH'], os.environ['DOCKER_HOST']]))"
    [told] = await said(engine, python(script, PATH="/nowhere", DOCKER_HOST="tcp://127.0.0.1:1"))
    assert told == ["/nowhere", "tcp://127.0.0.1:1"]


async def test_one_that_does_not_listen_is_ended(engine: Containers) -> None:
    reader = Reader()
    running = await engine("boxed", python(STAYS), reader, limit=1 << 20, redact=str)
    await reader.until(lambda: reader.lines)
    async with asyncio.timeout(10):
        await running.stop(0.1)
    assert reader.reason


async def test_nothing_outlives_a_gateway_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio
from tests.runtime.test_container import *
async def main():
    engine = Containers(ENGINE, "{GATEWAY}", folder=Path({str(tmp_path)!r}), runtime="runc")
    reader = Reader()
    await engine("boxed", python(STAYS), reader, limit=1 << 20, redact=str)
    await reader.until(lambda: reader.lines)
    print("up", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    gateway = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert gateway.stdout is not None
    assert await gateway.stdout.readline() == b"up\n"
    assert len(await containers()) == 1
    gateway.send_signal(signal.SIGKILL)
    await gateway.wait()
    async with asyncio.timeout(10):
        while await containers():
            pass


async def test_what_an_earlier_life_left_is_swept(engine: Containers) -> None:
    words = ("--label", f"{LABEL}={GATEWAY}", "-v", "/usr:/usr:ro", "--ulimit", "nproc=64:64")
    gone = ("--label", f"toolgate.process={2**22}-1")
    await ask("--runtime", "runc", "run", "--detach", "--network", "none", *words, *gone, IMAGE, "/usr/bin/sleep", "60")
    assert len(await containers()) == 1
    assert await engine.sweep() == 1
    assert await containers() == []


async def test_a_name_stays_what_it_was_when_it_was_first_used(engine: Containers, tmp_path: Path) -> None:
    name = f"localhost/toolgate-moving-{os.getpid()}:1"
    first = (await ask("image", "inspect", "--format", "{{.Id}}", IMAGE)).strip()
    await ask("tag", first, name)
    try:
        launch = replace(python("print(1)"), args=("run", "-i", name, "/usr/bin/python3", "-c", "print(1)"))
        assert await said(engine, launch) == [1]
        assert json.loads((tmp_path / "images.json").read_text()) == {name: first}
        again = Containers(ENGINE, GATEWAY, runtime="runc", folder=tmp_path)
        await ask("untag", first, name)
        assert await said(again, launch) == [1]
    finally:
        await ask("untag", first, name)


async def test_an_image_that_is_not_there_is_named(engine: Containers) -> None:
    launch = Launch("docker", ("run", "127.0.0.1:9/nobody/nothing:1"))
    with pytest.raises(StartFailed, match="nobody/nothing:1 is not here and could not be fetched") as failed:
        await engine("boxed", launch, Reader(), limit=1 << 20, redact=str)
    assert "podman pull" in failed.value.hint


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        (replace(python("1"), profile=Profile(persistent=True)), "no home that survives"),
    ],
)
async def test_what_it_cannot_do_is_refused(engine: Containers, launch: Launch, words: str) -> None:
    with pytest.raises(StartFailed, match=words):
        await engine("boxed", launch, Reader(), limit=1 << 20, redact=str)


async def test_an_engine_that_is_not_installed_is_named(tmp_path: Path) -> None:
    engine = Containers("nerdctl", GATEWAY, folder=tmp_path)
    with pytest.raises(StartFailed, match="nerdctl is not on PATH"):
        await engine("boxed", python("1"), Reader(), limit=1 << 20, redact=str)
    assert {finding.grade for finding in (await engine.probe()).values()} == {Grade.ABSENT}
    assert await engine.sweep() == 0


async def test_a_program_of_this_machine_needs_no_image(engine: Containers, tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)  # noqa: S103  # for the user that it runs as
    script = tmp_path / "script.py"
    script.write_text("import json, os\nprint(json.dumps([os.environ['TOKEN'], os.getcwd(), os.path.exists('/root')]))")
    launch = Launch(sys.executable, (str(script),), {"TOKEN": "t", "PATH": os.environ["PATH"]}, str(tmp_path))
    assert await said(engine, launch) == [["t", str(tmp_path), True]]
