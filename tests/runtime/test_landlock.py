import asyncio
import errno
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.parts.where import ROOT
from tests.runtime.contract import Told, Walls, answer, started
from tests.runtime.unprivileged import unprivileged
from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Profile, Wall
from toolgate.runtime import landlock, landlock_abi
from toolgate.runtime.base import Launch
from toolgate.runtime.landlock import Landlock
from toolgate.runtime.landlock_abi import attributes, handled, version, writing
from toolgate.runtime.protections import Grade

ROOT_RUNS = os.geteuid() == 0
WITHOUT_RIGHTS = "files or given or writable or home or outlives_the or everything or powers or wrote"
KNOWN_WEAK = {Wall.EGRESS: Grade.ABSENT, Wall.TEMPORARY: Grade.PARTIAL}


@pytest.fixture(params=[True, False], ids=["groups", "no-groups"])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Landlock]:
    made = Landlock(tmp_path / "state", grouped=request.param)
    yield made
    await made.close()


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Landlock]:
    made = Landlock(tmp_path / "state")
    yield made
    await made.close()


class TestLandlock(Walls):
    @pytest.fixture
    def runtime(self, plain: Landlock) -> Landlock:
        return plain


async def test_every_wall_holds_or_says_why_not(runtime: Landlock) -> None:
    found = await runtime.probe()
    assert set(found) == set(Wall)
    weak = {wall: finding.grade for wall, finding in found.items() if finding.grade is not Grade.ENFORCED}
    assert weak.items() >= KNOWN_WEAK.items()
    assert all(found[wall].reason for wall in weak)
    assert {found[wall].grade for wall in (Wall.NETWORK, Wall.SYSCALLS, Wall.ORPHANS)} == {Grade.ENFORCED}


async def test_without_landlock_every_wall_is_absent_and_nothing_starts(
    plain: Landlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert {finding.grade for finding in (await plain.probe()).values()} == {Grade.ABSENT}
    with pytest.raises(StartFailed, match="no Landlock"):
        await answer(plain, "echo")


async def test_a_kernel_with_less_of_it_still_starts_and_holds_files_back(
    plain: Landlock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    script = f'cat "/{str(tmp_path)[1:]}/secret" 2>/dev/null || echo none'
    for abi in range(1, version() + 1):
        monkeypatch.setattr(landlock, "version", lambda abi=abi: abi)
        assert await answer(plain, script) == "none"


async def test_a_kernel_with_less_of_it_says_so(plain: Landlock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 2)
    assert "cut short" in (await plain.probe())[Wall.FILESYSTEM].reason


def test_only_what_a_version_knows_is_asked_of_it() -> None:
    assert [handled(abi, network=False).filesystem.bit_length() for abi in range(1, 8)] == [13, 14, 15, 15, 16, 16, 16]
    assert [handled(abi, network=False)[1:] for abi in (3, 4, 6)] == [(0, 0), (3, 0), (3, 3)]
    assert handled(7, network=True).network == 0
    assert [attributes(abi) for abi in (1, 3, 4, 5, 6, 7)] == [8, 8, 16, 16, 24, 24]


def test_whoever_may_write_may_make_no_device() -> None:
    devices = 1 << 6 | 1 << 11
    assert all(writing(abi) & devices == 0 for abi in range(1, 8))


def test_what_comes_to_be_beside_something_hidden_is_not_shown(tmp_path: Path) -> None:
    for name in ("folder/.ssh/key", "folder/data/deep", "other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    rules = dict(landlock_abi.beneath(tmp_path, frozenset({f"{tmp_path}/folder/.ssh"})))
    assert {path.removeprefix(str(tmp_path)) for path, access in rules.items() if access == landlock_abi.READ} == {
        "/folder/data",
        "/other",
    }
    assert f"{tmp_path}/folder/.ssh" not in rules


async def test_what_lies_beside_its_script_and_holds_secrets_is_covered(plain: Landlock, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / ".ssh").mkdir(parents=True)
    for name in ("toolgate.yaml", ".env", ".ssh/key", "data"):
        (folder / name).write_text("x\n")
    script = "cat data; cat .env toolgate.yaml .ssh/key 2>/dev/null | wc -c"
    async with started(plain, "/bin/sh", "-c", script, cwd=str(folder)) as (_, told):
        assert [(await told.next()).strip() for _ in range(2)] == [b"x", b"0"]


async def test_credentials_that_it_could_write_are_a_failed_start_unless_accepted(
    plain: Landlock, tmp_path: Path
) -> None:
    (tmp_path / "work/.aws").mkdir(parents=True)
    mounts = (Mount(f"{tmp_path}/work", writable=True),)
    with pytest.raises(StartFailed, match=r"\.aws is, and Landlock cannot hide that"):
        await answer(plain, "echo", profile=Profile(mounts=mounts))
    accepting = Profile(mounts=mounts, accept=frozenset({Wall.FILESYSTEM}))
    assert await answer(plain, "echo started", profile=accepting) == "started"


async def test_what_it_wrote_is_gone_with_it(plain: Landlock) -> None:
    script = 'mkdir "$HOME/closed"; echo x >"$HOME/closed/file"; chmod 0 "$HOME/closed"; echo "$HOME"; cat'
    async with started(plain, "/bin/sh", "-c", script) as (_, told):
        home = (await told.next()).decode()
        assert is_there(home)
    assert not is_there(str(Path(home).parent))


def is_there(path: str) -> bool:
    return os.path.exists(path)


async def test_a_start_that_is_given_up_leaves_nothing(plain: Landlock) -> None:
    before = len(os.listdir("/proc/self/fd"))
    told = Told()
    starting = asyncio.create_task(plain("tested", Launch("/bin/cat"), told, limit=100, redact=str))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()
    async with started(plain, "cat") as (running, _):
        running.write(b"")  # whatever was in its way is through
    await plain.close()
    assert len(os.listdir("/proc/self/fd")) <= before + 1


async def test_a_server_of_root_is_somebody_else_each_time(plain: Landlock) -> None:
    uids = {await answer(plain, "id -u") for _ in range(2)}
    assert len(uids) == (2 if ROOT_RUNS else 1)
    assert ROOT_RUNS is (str(os.geteuid()) not in uids)


async def test_it_has_no_powers_but_to_read_and_write_what_it_was_given(plain: Landlock, tmp_path: Path) -> None:
    assert await powers(plain, Profile()) == 0
    writing_there = Profile(mounts=(Mount(str(tmp_path), writable=True),))
    assert await powers(plain, writing_there) == (0b110 if ROOT_RUNS else 0)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


async def powers(runtime: Landlock, profile: Profile) -> int:
    # /proc/self is open to the server itself, and not to what it starts.
    script = 'while read -r name value; do [ "$name" = CapEff: ] && echo "$value"; done </proc/self/status'
    return int(await answer(runtime, script, profile=profile), 16)


async def test_a_socket_that_it_was_given_can_be_used_and_no_other(plain: Landlock, tmp_path: Path) -> None:
    script = "import socket\ntry: print(socket.socket(socket.AF_UNIX).family)\nexcept OSError as e: print(e.errno)"
    command = (sys.executable, "-I", "-S", "-c", script)
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(f"{tmp_path}/ear")
        async with started(plain, *command) as (_, told):
            assert await told.next() == str(errno.EAFNOSUPPORT).encode()
        async with started(plain, *command, profile=Profile(mounts=(Mount(f"{tmp_path}/ear"),))) as (_, told):
            assert await told.next() == b"1"


async def test_the_same_holds_for_a_gateway_without_rights() -> None:
    """This file, by a user that is nobody: what needs no root passes there too."""
    if not ROOT_RUNS:
        return  # this is that run
    options = ("-q", "-p", "no:cacheprovider", "-k", WITHOUT_RIGHTS, str(ROOT / "tests/runtime/test_landlock.py"))
    process = await asyncio.create_subprocess_exec(
        *unprivileged(sys.executable, "-m", "pytest", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-4_000:]
