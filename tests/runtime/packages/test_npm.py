"""The real npm client against a registry on loopback."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runtime.packages.conftest import Open, npx, output, told_of, write
from tests.runtime.packages.recorded import Recorded
from tests.runtime.packages.registries import NODE_SERVER, Registry, tarball
from toolgate.errors import StartFailed
from toolgate.model.profile import Mount
from toolgate.runtime.packages.packages import Packages


async def refused(packages: Packages, *args: str, **environment: str) -> StartFailed:
    with pytest.raises(StartFailed) as caught:
        await packages.prepared("tiny", npx(*args, **environment))
    return caught.value


async def test_npx_becomes_node_with_what_was_installed(gateway: Open, registry: Registry) -> None:
    launch = npx("-y", "@tiny/server@^1.0.0", "--port", "1", GITHUB_TOKEN="of-the-server")

    prepared = (await gateway().prepared("tiny", launch)).launch

    script, *rest = prepared.args
    folder = Path(prepared.profile.mounts[-1].path)
    assert Path(prepared.command).name == "node"
    assert Path(prepared.command).is_absolute()
    assert Path(script).relative_to(folder) == Path("node_modules/@tiny/server/server.js")
    assert rest == ["--port", "1"]
    assert prepared.profile.mounts == (Mount(str(folder)),)
    assert prepared.profile.network == ()
    assert prepared.environment["GITHUB_TOKEN"] == "of-the-server"
    assert prepared.environment["PATH"].startswith(f"{folder}/node_modules/.bin:")
    asked = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n'
    answer = await output(prepared.command, *prepared.args, given=asked)
    assert [tool["name"] for tool in json.loads(answer)["result"]["tools"]] == ["wave"]


@pytest.mark.usefixtures("installed")
async def test_what_was_installed_is_pinned_with_its_integrity(gateway: Open, registry: Registry) -> None:
    prepared = (await gateway().prepared("tiny", npx("-y", "@tiny/server"))).launch

    told = told_of(prepared)
    assert (told["name"], told["version"]) == ("@tiny/server", "1.1.0")
    assert {part["name"] for part in told["parts"]} == {"@tiny/server", "leaf"}
    assert {part["integrity"] for part in told["parts"]} == {
        entry["dist"]["integrity"] for name, one in (("@tiny/server", "1.1.0"), ("leaf", "2.0.0"))
        for entry in [registry.versions[name][one]]
    }  # fmt: skip
    assert all(host.startswith("127.0.0.1:") for host in told["hosts"])


async def test_the_archive_that_npm_packs_installs_and_its_scripts_do_not_run(
    gateway: Open, registry: Registry, tmp_path: Path
) -> None:
    source, mark = tmp_path / "source", tmp_path / "ran"
    source.mkdir()
    described = {
        "name": "scripted", "version": "1.0.0", "bin": "server.js", "scripts": {"postinstall": f"touch {mark}"}
    }  # fmt: skip
    (source / "package.json").write_text(json.dumps(described))
    (source / "server.js").write_text(NODE_SERVER)
    npm = ["npm", f"--cache={tmp_path}/cache", "--userconfig=/dev/null", "--loglevel=error"]
    await output(*npm, "pack", cwd=source)
    registry.add(described, (source / "scripted-1.0.0.tgz").read_bytes())

    prepared = await gateway().prepared("tiny", npx("scripted"))

    assert not mark.exists()
    assert prepared.remark.startswith("install scripts of scripted were not run")
    assert "npm install -g scripted" in prepared.remark
    control = tmp_path / "control"
    control.mkdir()
    await output(*npm, f"--registry={registry.url}", "install", "scripted", cwd=control)
    assert mark.exists()


async def test_an_archive_that_is_not_what_was_announced_is_not_installed(gateway: Open, registry: Registry) -> None:
    _, other = tarball("leaf", "2.0.0", {"index.js": "steal()"})
    registry.served["leaf-2.0.0.tgz"] = other

    error = await refused(gateway(), "@tiny/server")

    assert "integrity mismatch" in error.message
    assert "@tiny/server" in error.message


@pytest.mark.usefixtures("installed")
async def test_a_name_that_nobody_has_is_named_with_a_near_one(gateway: Open, registry: Registry) -> None:
    error = await refused(gateway(), "@tiny/servre")

    assert error.message == f"no package @tiny/servre is in the registry {registry.url.removeprefix('http://')}"
    assert "did you mean @tiny/server?" in error.hint


async def test_a_version_that_is_not_there_is_told_with_one_that_is(gateway: Open) -> None:
    error = await refused(gateway(), "@tiny/server@9")

    assert "@tiny/server@9" in error.message
    assert "there is 1.1.0" in error.hint


async def test_a_registry_that_does_not_answer_is_named(gateway: Open) -> None:
    error = await refused(gateway(), "@tiny/server", npm_config_registry="http://127.0.0.1:9/")

    assert "127.0.0.1:9 could not be reached" in error.message


async def test_where_registries_are_is_not_the_word_of_another_owner(gateway: Open) -> None:
    launch = replace(npx("leaf", npm_config_registry="http://127.0.0.1:9/"), owner="somebody")

    with pytest.raises(StartFailed, match="leaf has no program"):  # it was found at the operator's
        await gateway().prepared("tiny", launch)


async def test_a_package_without_a_program_says_which_it_has(gateway: Open) -> None:
    assert "it has tiny-server" in (await refused(gateway(), "--package=@tiny/server", "other")).hint


async def test_a_dependency_that_no_integrity_vouches_for_is_refused(gateway: Open, registry: Registry) -> None:
    entry = registry.versions["leaf"]["2.0.0"]["dist"]
    del entry["integrity"], entry["shasum"]

    error = await refused(gateway(), "@tiny/server")

    assert error.message == "@tiny/server needs leaf, which the registry does not vouch for"


async def test_the_installer_gets_the_settings_of_npm_and_no_secret_else(
    gateway: Open, registry: Registry, environment: Mapping[str, str]
) -> None:
    host = registry.url.removeprefix("http:")
    tokens = f"{host}/:_authToken=${{MINE}}\n//elsewhere.example/:_authToken=wrong\n"
    lines = f"registry={registry.url}/\n{tokens}prefix=/x\n"
    write(Path(environment["HOME"], ".npmrc"), lines)
    run = Recorded()

    await gateway(run=run, MINE="right").prepared("tiny", npx("@tiny/server", GITHUB_TOKEN="of-the-server", KEY="k"))

    assert set(registry.tokens) == {"Bearer right"}  # and none of another registry
    for job in run.jobs:
        assert not {"GITHUB_TOKEN", "KEY"} & job.environment.keys()
        assert "right" not in repr(job) + " ".join(job.argv)
    assert {job.hosts for job in run.jobs} == {(registry.url.removeprefix("http://"),)}
