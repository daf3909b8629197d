import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.parts.where import ROOT
from tests.runtime.contract import Walls, answer, started
from tests.runtime.unprivileged import unprivileged
from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Profile, Wall
from toolgate.runtime import bubblewrap_tools
from toolgate.runtime.bubblewrap import Bubblewrap
from toolgate.runtime.protections import Grade
from toolgate.runtime.uids import free_uid

ROOT_RUNS = os.geteuid() == 0
WITHOUT_RIGHTS = "files or given or writable or home or outlives_the or everything or git or every_wall or way_out"


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Bubblewrap]:
    made = Bubblewrap(tmp_path / "state")
    yield made
    await made.close()


class TestBubblewrap(Walls):
    pass


async def test_every_wall_holds_or_says_why_not(runtime: Bubblewrap) -> None:
    found = await runtime.probe()
    assert set(found) == set(Wall)
    weak = {wall for wall, finding in found.items() if finding.grade is not Grade.ENFORCED}
    assert weak <= {Wall.MEMORY, Wall.CPU}  # where no control group is writable
    assert all(found[wall].reason for wall in weak)


async def test_without_bubblewrap_every_wall_is_absent_and_says_what_to_install(
    runtime: Bubblewrap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bubblewrap_tools, "_PATH", str(tmp_path))
    found = await runtime.probe()
    assert {(finding.grade, finding.reason) for finding in found.values()} == {
        (Grade.ABSENT, "bwrap is not installed: install the package bubblewrap")
    }
    with pytest.raises(StartFailed, match="bwrap is not installed"):
        await answer(runtime, "echo")


async def test_what_bubblewrap_complains_of_is_told(runtime: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory(dir="/var/tmp") as folder:  # which the user that it runs as can pass
        os.chmod(folder, 0o755)  # noqa: S103
        fake = Path(folder) / "bwrap"
        fake.write_text("#!/bin/sh\necho 'bwrap: no namespaces here' >&2\nexit 1\n")
        fake.chmod(0o755)
        monkeypatch.setattr(bubblewrap_tools, "_PATH", f"{folder}:/usr/bin:/bin")
        with pytest.raises(StartFailed, match="could not be built: it exited with code 1: bwrap: no namespaces here"):
            await answer(runtime, "echo")


async def test_inside_there_is_the_server_alone(runtime: Bubblewrap) -> None:
    assert (await answer(runtime, "ls -d /proc/[0-9]* | wc -l")).strip() in {"2", "3", "4"}
    assert await answer(runtime, "id -u; id -g") == "1000"
    assert await answer(runtime, "tr '\\0' ' ' </proc/1/environ; echo .") in {".", "PWD=/ ."}
    assert (await answer(runtime, "ls /sys /boot /root /var 2>/dev/null | wc -l")).strip() == "0"


async def test_what_lies_beside_its_script_and_holds_secrets_is_covered(runtime: Bubblewrap, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / ".ssh").mkdir(parents=True)
    for name in ("toolgate.yaml", ".env", ".ssh/key", "data"):
        (folder / name).write_text("x\n")
    script = (
        "cat data; cat .env toolgate.yaml 2>/dev/null | wc -c; ls .ssh | wc -l; touch .ssh/y 2>/dev/null || echo no"
    )
    async with started(runtime, "/bin/sh", "-c", script, cwd=str(folder)) as (_, told):
        assert [(await told.next()).strip() for _ in range(4)] == [b"x", b"0", b"0", b"no"]


async def test_the_gateways_own_folder_is_covered_but_for_what_is_given_of_it(
    runtime: Bubblewrap, tmp_path: Path
) -> None:
    package = tmp_path / "state" / "packages" / "one"
    package.mkdir(parents=True)
    (package / "code").write_text("code\n")
    (tmp_path / "state" / "key").write_text("key\n")
    profile = Profile(mounts=(Mount(str(tmp_path)), Mount(str(package))))
    script = f"cat {package}/code; cat {tmp_path}/state/key 2>/dev/null || echo none; ls -A {tmp_path}/state"
    async with started(runtime, "/bin/sh", "-c", script, profile=profile) as (_, told):
        assert [await told.next() for _ in range(3)] == [b"code", b"none", b"packages"]


async def test_temporary_space_is_bounded(runtime: Bubblewrap) -> None:
    script = 'head -c 3M /dev/zero 2>/dev/null >"$TMPDIR/full" || echo full'
    assert await answer(runtime, script, profile=Profile(tmp=2**20)) == "full"


async def test_a_way_out_stands_before_the_server_does(runtime: Bubblewrap) -> None:
    profile = Profile(network=("api.example.com",))
    script = "grep -c api.example.com /etc/hosts; cat /etc/resolv.conf"
    async with started(runtime, "/bin/sh", "-c", script, profile=profile) as (_, told):
        assert await told.next() == b"1"
        assert await told.next() == b"nameserver 127.0.0.1"


async def test_a_network_that_cannot_be_granted_is_a_failed_start(runtime: Bubblewrap) -> None:
    with pytest.raises(StartFailed, match="its network cannot be granted"):
        await answer(runtime, "echo", profile=Profile(network=("not a host",)))


async def test_control_groups_go_with_their_servers(runtime: Bubblewrap) -> None:
    _, planner = runtime._look()
    folders = set(planner.cgroups.folders.values())

    def groups() -> set[Path]:
        return {folder for parent in folders for folder in parent.glob(f"toolgate-{os.getpid()}-*")}

    before = groups()
    async with started(runtime, "cat") as (running, told):
        running.write(b"up")
        await told.next()
        own = groups() - before
        assert len(own) == len(folders)
    await runtime.close()
    assert not groups() & own


async def test_groups_of_a_gateway_that_was_killed_are_removed_by_the_next(runtime: Bubblewrap) -> None:
    _, planner = runtime._look()
    left = [folder / "toolgate-4194305-1" for folder in set(planner.cgroups.folders.values())]  # no such process
    for folder in left:
        folder.mkdir()
    planner.cgroups.sweep()
    assert not any(folder.exists() for folder in left)


def test_a_uid_is_nobodys_and_the_owners_own() -> None:
    assert free_uid("one") == free_uid("one") != free_uid("two")


async def test_servers_of_two_owners_run_as_different_users(runtime: Bubblewrap) -> None:
    uids = []
    for owner in ("one", "two"):
        async with started(runtime, "cat", owner=owner) as (running, told):
            running.write(b"up")
            await told.next()
            uids.append(os.stat(f"/proc/{running.pid}").st_uid)
    assert uids == ([free_uid("one"), free_uid("two")] if ROOT_RUNS else [os.geteuid()] * 2)


async def test_the_same_holds_for_a_gateway_without_rights() -> None:
    """This file, by a user that is nobody: what needs no root passes there too."""
    if not ROOT_RUNS:
        return  # this is that run
    options = (
        "-q",
        "-p",
        "no:cacheprovider",
        "--no-cov",
        "-k",
        WITHOUT_RIGHTS,
        str(ROOT / "tests/runtime/test_bubblewrap.py"),
    )
    command = unprivileged(sys.executable, "-m", "pytest", *options)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-4_000:]


async def test_a_link_to_a_program_leads_to_what_lies_beside_the_program(
    runtime: Bubblewrap, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away")
    (away / "lib").mkdir()
    (away / "lib" / "program.sh").write_text('#!/bin/sh\nexec cat "$(dirname "$(readlink -f "$0")")/beside"\n')
    (away / "lib" / "program.sh").chmod(0o755)
    (away / "lib" / "beside").write_text("found\n")
    link = tmp_path_factory.mktemp("bin") / "program"
    link.symlink_to(away / "lib" / "program.sh")
    async with started(runtime, str(link), profile=Profile(mounts=(Mount(str(away)),))) as (_, told):
        assert await told.next() == b"found"
