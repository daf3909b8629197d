import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from tests.runtime.packages.conftest import Open, npx, read, write
from tests.runtime.packages.recorded import Recorded
from tests.runtime.packages.registries import NODE_SERVER, Registry, tarball
from toolgate.errors import StartFailed
from toolgate.model.secretref import Secret, Template
from toolgate.model.server import Provenance, Server, Stdio
from toolgate.runtime import process
from toolgate.runtime.base import Launch
from toolgate.runtime.packages.shelf import Shelf
from toolgate.upstream.launch import StdioLinks
from toolgate.upstream.relay import NoNews

TINY = npx("-y", "@tiny/server")


def rubbish(folder: Path) -> list[Path]:
    return list(folder.glob("partial-*"))


async def test_twenty_starts_at_once_install_once(gateway: Open, tmp_path: Path) -> None:
    run = Recorded()
    one, other = gateway(run=run), gateway(run=run)  # as two workers of a gateway

    prepared = await asyncio.gather(*(packages.prepared("tiny", TINY) for packages in (one, other) for _ in range(10)))

    assert len({each.launch.args for each in prepared}) == 1
    assert len([job for job in run.jobs if "ci" in job.argv]) == 1
    assert not rubbish(tmp_path / "packages")
    assert not list((tmp_path / "packages" / "locks").iterdir())


@pytest.mark.usefixtures("installed")
async def test_a_start_after_the_first_takes_no_network_and_no_time(gateway: Open, registry: Registry) -> None:
    run = Recorded()
    packages = gateway(run=run)
    registry.requests.clear()
    await packages.prepared("tiny", TINY)

    times = []
    for _ in range(50):
        began = time.perf_counter()
        await packages.prepared("tiny", TINY)
        times.append(time.perf_counter() - began)

    assert not registry.requests
    assert not run.jobs
    assert statistics.median(times) < 0.05


@pytest.mark.usefixtures("installed")
async def test_a_floating_version_stays_until_it_is_told_to_move(gateway: Open, registry: Registry) -> None:
    packages = gateway()
    before = await packages.prepared("tiny", TINY)
    registry.add(*tarball("@tiny/server", "2.0.0", {"server.js": NODE_SERVER}, bin={"tiny-server": "server.js"}))

    assert await packages.prepared("tiny", TINY) == before
    assert before.says.startswith("runs @tiny/server 1.1.0")
    assert await packages.update("tiny", TINY) == "@tiny/server 2.0.0"
    after = await packages.prepared("tiny", TINY)
    assert after.says.startswith("runs @tiny/server 2.0.0")
    assert read(before.launch.args[0]) == NODE_SERVER  # which may still run


async def test_an_install_that_is_given_up_leaves_nothing(gateway: Open, tmp_path: Path) -> None:
    run = Recorded(held=lambda job: "ci" in job.argv)
    packages = gateway(run=run)
    start = asyncio.create_task(packages.prepared("tiny", TINY))
    await asyncio.wait_for(run.begun.wait(), 20)

    await packages.close()

    with pytest.raises(asyncio.CancelledError):
        await start
    assert not rubbish(tmp_path / "packages")
    assert not list((tmp_path / "packages" / "locks").iterdir())


async def test_a_start_that_gives_up_does_not_end_the_install(gateway: Open) -> None:
    run = Recorded()
    packages = gateway(run=run)
    start = asyncio.create_task(packages.prepared("tiny", TINY))
    await asyncio.wait_for(run.asked.wait(), 20)
    start.cancel()

    await packages.prepared("tiny", TINY)

    assert len([job for job in run.jobs if "ci" in job.argv]) == 1


async def test_the_rubbish_of_a_killed_gateway_is_cleaned_and_its_lock_is_free(tmp_path: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from toolgate.runtime.packages.shelf import Shelf
        shelf = Shelf(Path(sys.argv[1]))
        shelf.lock("ab")
        (shelf.begin("ab") / "half").write_text("x")
        print("ready", flush=True)
        time.sleep(60)
    """
    folder = tmp_path / "packages"
    argv = (sys.executable, "-c", dedent(script), str(folder))
    killed = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"ready\n"
    Shelf(folder).clean()
    assert len(rubbish(folder)) == 1  # it is at work
    killed.kill()
    await killed.wait()

    Shelf(folder).clean()

    assert not rubbish(folder)
    assert not list((folder / "locks").iterdir())


@pytest.mark.usefixtures("installed")
async def test_what_was_changed_after_the_install_is_not_run(gateway: Open) -> None:
    packages = gateway()
    script = (await packages.prepared("tiny", TINY)).launch.args[0]
    write(script, "steal()")

    again = (await packages.prepared("tiny", TINY)).launch.args[0]

    assert read(again) == NODE_SERVER


async def test_a_package_over_the_bound_is_refused(gateway: Open, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"more than 0 MiB of disk") as caught:
        await gateway(size=1000).prepared("tiny", TINY)

    assert "name its command" in caught.value.hint
    assert not rubbish(tmp_path / "packages")


async def test_what_a_project_has_already_is_left_to_npx(gateway: Open, tmp_path: Path) -> None:
    (tmp_path / "project" / "node_modules" / "@tiny" / "server").mkdir(parents=True)
    (tmp_path / "project" / "node_modules" / "@tiny" / "server" / "package.json").write_text("{}")
    launch = Launch("npx", ("@tiny/server",), TINY.environment, cwd=str(tmp_path / "project"))

    prepared = await gateway().prepared("tiny", launch)
    assert prepared.launch is launch
    assert prepared.says == "npx is started as it is, not installed"


@pytest.mark.parametrize(
    "launch", [Launch("node", ("x.js",)), Launch("npx", ("-c", "x")), Launch("npx", ("x",), {"PATH": ""})]
)
async def test_what_is_no_package_passes_unchanged(gateway: Open, launch: Launch) -> None:
    packages = gateway()

    assert (await packages.prepared("tiny", launch)).launch is launch
    assert await packages.update("tiny", launch) == ""


async def test_a_full_disk_is_told_as_that(gateway: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Shelf, key: str) -> Path:
        raise OSError(28, os.strerror(28), str(tmp_path))

    monkeypatch.setattr(Shelf, "begin", full)
    with pytest.raises(StartFailed, match="the disk is full") as caught:
        await gateway().prepared("tiny", TINY)
    assert "TOOLGATE_STATE" in caught.value.hint


@pytest.mark.usefixtures("installed")
async def test_a_server_of_a_package_is_started_and_answers(gateway: Open) -> None:
    async def resolve(template: Template) -> Secret:
        return Secret(template.text)

    packages = gateway()
    links = StdioLinks(
        process.start,
        resolve,
        lambda own: {**TINY.environment, **own},
        response_bytes=2**20,
        start_timeout=30,
        prepare=packages.prepared,
    )
    transport = Stdio(Template("npx"), (Template("-y"), Template("@tiny/server")), cwd="/")
    link = await links(Server("tiny", transport, Provenance("test")), None, NoNews())
    assert link.catalogue_head.server_info["name"] == "tiny"
    await link.close(1)


async def test_an_install_that_takes_longer_than_a_start_says_so(gateway: Open) -> None:
    async def resolve(template: Template) -> Secret:
        return Secret(template.text)

    run = Recorded(held=lambda job: True)
    links = StdioLinks(
        process.start,
        resolve,
        lambda own: {**TINY.environment, **own},
        response_bytes=2**20,
        start_timeout=0.2,
        prepare=gateway(run=run).prepared,
    )
    transport = Stdio(Template("npx"), (Template("@tiny/server"),), cwd="/")
    with pytest.raises(StartFailed, match=r"not installed within 0\.2 s"):
        await links(Server("tiny", transport, Provenance("test")), None, NoNews())
