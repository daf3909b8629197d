"""The real pip and the real uv against an index on loopback."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.runtime.packages.conftest import Open, output, told_of, uvx
from tests.runtime.packages.recorded import Recorded
from tests.runtime.packages.registries import Index, wheel
from toolgate.errors import StartFailed
from toolgate.runtime.packages.packages import Packages

PIP = "/usr/bin:/bin"
UV = f"{Path(sys.executable).parent}:/usr/bin:/bin"


async def refused(packages: Packages, *args: str, path: str = PIP, **environment: str) -> StartFailed:
    with pytest.raises(StartFailed) as caught:
        await packages.prepared("tiny", uvx(*args, path=path, **environment))
    return caught.value


@pytest.mark.parametrize("path", [PIP, UV], ids=["pip", "uv"])
async def test_uvx_becomes_python_with_what_was_installed(gateway: Open, index: Index, path: str) -> None:
    run = Recorded()
    launch = uvx("tiny-server@1.0", "--utc", path=path, GITHUB_TOKEN="of-the-server")

    prepared = (await gateway(run=run).prepared("tiny", launch)).launch

    folder = Path(prepared.profile.mounts[-1].path)
    assert prepared.command == f"{folder}/venv/bin/python"
    assert prepared.args == (f"{folder}/venv/bin/tiny-server", "--utc")
    for argv in ([prepared.command, *prepared.args], [prepared.args[0], "--utc"]):  # its own first line works, too
        assert await output(*argv) == b"tiny 1.0 --utc\n"
    told = told_of(prepared)
    assert {part["name"]: part["version"] for part in told["parts"]} == {"tiny-server": "1.0", "tiny-leaf": "2.0"}
    assert all(part["integrity"].startswith("sha256:") for part in told["parts"])
    assert any("/uv" in job.argv[0] for job in run.jobs) == (path == UV)
    assert run.jobs[-1].hosts == (index.url.removeprefix("http://"),)
    assert not any("GITHUB_TOKEN" in job.environment for job in run.jobs)


@pytest.mark.parametrize("path", [PIP, UV], ids=["pip", "uv"])
async def test_a_wheel_that_is_not_what_was_announced_is_not_installed(gateway: Open, index: Index, path: str) -> None:
    file, other = wheel("tiny-leaf", "2.0", "steal()")
    index.served[file] = other

    error = await refused(gateway(), "tiny-server", path=path)

    assert "integrity mismatch" in error.message


@pytest.mark.parametrize("path", [PIP, UV], ids=["pip", "uv"])
async def test_what_has_to_be_built_is_not_and_says_how_to_accept_that(gateway: Open, index: Index, path: str) -> None:
    index.add("old_server-1.0.tar.gz", b"would run code")

    error = await refused(gateway(), "old-server", path=path)

    assert "has no wheel" in error.message
    assert "pipx install old-server" in error.hint


@pytest.mark.parametrize("path", [PIP, UV], ids=["pip", "uv"])
async def test_what_is_not_there_is_named(gateway: Open, index: Index, path: str) -> None:
    packages = gateway()

    assert "no package nothing" in (await refused(packages, "nothing", path=path)).message
    error = await refused(packages, "tiny-server==9", path=path)
    assert "tiny-server==9" in error.message
    if path == PIP:
        assert "there is 1.0, 1.1" in error.hint


async def test_a_wheel_for_another_machine_is_none_for_this_one(gateway: Open, index: Index) -> None:
    index.add(*wheel("elsewhere", "1.0", "pass", tag="cp399-cp399-win_arm64"))

    assert "has no wheel" in (await refused(gateway(), "elsewhere")).message


async def test_an_index_that_does_not_answer_is_named(gateway: Open) -> None:
    error = await refused(gateway(), "tiny-server", PIP_INDEX_URL="http://127.0.0.1:9/simple")

    assert error.message.startswith("the registry 127.0.0.1:9 could not be reached")


async def test_another_program_of_a_package_is_started_by_its_name(gateway: Open) -> None:
    launch = uvx("--from", "tiny-server==1.1", "--with", "tiny-leaf", "python", "-c", "import tiny_leaf; print(7)")
    prepared = (await gateway().prepared("tiny", launch)).launch

    assert await output(prepared.command, *prepared.args) == b"7\n"


async def test_two_indexes_are_left_to_uv(gateway: Open, environment: Mapping[str, str], index: Index) -> None:
    error = await refused(gateway(), "tiny-server", UV_INDEX=f"mine={index.url}/simple")

    assert "install uv" in error.hint


async def test_an_interpreter_that_is_not_here_leaves_the_launch_as_it_is(gateway: Open) -> None:
    launch = uvx("--python", "3.99", "tiny-server")

    assert (await gateway().prepared("tiny", launch)).launch is launch
