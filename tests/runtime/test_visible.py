from pathlib import Path

import pytest

from toolgate.model.profile import Mount, Profile
from toolgate.runtime.base import Launch
from toolgate.runtime.visible import hidden, visible


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


def seen(home: Path, program: Path, *args: str, cwd: Path | None = None, profile: Profile = Profile()) -> set[str]:
    launch = Launch(str(program), args, {"HOME": str(home)}, str(cwd) if cwd else None, profile)
    return {mount.path for mount in visible(launch, str(program))}


def made(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_nothing_of_the_system_is_added() -> None:
    assert visible(Launch("/bin/cat", ("/etc/passwd",), {}, "/usr"), "/bin/cat") == ()


def test_a_virtual_environment_is_seen_with_the_python_that_it_was_made_from(home: Path) -> None:
    base = made(home / "pythons/3.12/bin/python3")
    (base.parent.parent / "lib").mkdir()
    venv = made(home / "work/.venv/pyvenv.cfg", f"home = {base.parent}\n").parent
    program = made(venv / "bin/server", f"#!{venv}/bin/python\n")
    (venv / "bin/python").symlink_to(base)
    assert seen(home, program) == {str(venv), str(home / "pythons/3.12")}


def test_what_is_installed_there_by_reference_is_seen(home: Path) -> None:
    venv = made(home / "venv/pyvenv.cfg").parent
    source = made(home / "project/src/code.py").parent
    made(venv / "lib/python3.12/site-packages/_editable.pth", f"import os\n{source}\n")
    assert seen(home, made(venv / "bin/server")) == {str(venv), str(source)}


def test_a_script_brings_its_package_and_all_modules(home: Path) -> None:
    target = made(home / "node_modules/server/dist/index.js", "#!/usr/bin/env node\n")
    link = home / "node_modules/.bin/server"
    link.parent.mkdir()
    link.symlink_to("../server/dist/index.js")
    assert seen(home, link) == {str(home / "node_modules")}
    made(home / "project/package.json")
    script = made(home / "project/build/index.js")
    assert seen(home, Path("/usr/bin/node"), str(script)) == {str(home / "project")}
    assert str(target).startswith(str(home))


def test_a_script_that_lies_in_a_home_comes_alone(home: Path) -> None:
    script = made(home / "server.py")
    made(home / "diary.txt")
    assert seen(home, Path("/usr/bin/python3"), str(script), cwd=home) == {str(script)}


def test_no_home_and_nothing_above_one_is_seen(home: Path) -> None:
    assert seen(home, Path("/bin/cat"), str(home), str(home.parent), "/", cwd=home) == set()


@pytest.mark.parametrize("name", [".ssh/id", ".aws/credentials", ".config/gcloud/key.json", ".netrc"])
def test_credentials_are_not_seen_for_being_named(home: Path, name: str) -> None:
    assert seen(home, Path("/bin/cat"), str(made(home / name)), str((home / name).parent)) == set()


def test_what_arguments_name_is_seen_as_read_only(home: Path) -> None:
    notes = made(home / "notes/one").parent
    assert seen(home, Path("/bin/cat"), f"--root={notes}", str(home / "missing"), "notes") == {str(notes)}


def test_what_the_profile_mounts_is_its_operators_word(home: Path) -> None:
    made(home / ".ssh/id")
    profile = Profile(mounts=(Mount(str(home / ".ssh")), Mount(str(home), writable=True)))
    launch = Launch("/bin/cat", (), {"HOME": str(home)}, None, profile)
    assert visible(launch, "/bin/cat") == (Mount(str(home), writable=True),)


def test_what_holds_secrets_in_a_folder_is_hidden(home: Path) -> None:
    for name in (".env", "toolgate.yaml", ".ssh/id", "state/key", "data"):
        made(home / name)
    covered = hidden([Mount(str(home))], str(home / "state"))
    assert [Path(path).name for path in covered] == [".env", ".ssh", "state", "toolgate.yaml"]
    assert hidden([Mount(str(home / "state"))], str(home / "state")) == ()


def test_an_env_file_of_a_servers_own_is_not_hidden(home: Path) -> None:
    made(home / "project/.env")
    assert hidden([Mount(str(home / "project"))]) == ()
