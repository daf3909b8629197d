"""What of a user's settings says where packages come from."""

from pathlib import Path

import pytest

from toolgate.model.profile import ANYWHERE
from toolgate.runtime.egress.grants import Grants
from toolgate.runtime.packages import indexes, npmrc
from toolgate.runtime.packages.failures import explained
from toolgate.runtime.packages.grants import grants
from toolgate.runtime.packages.package import Ecosystem, Package

NPMRC = """
# mine
registry = https://npm.example.com/all/
@corp:registry=https://${HOST}:8443/npm/
//npm.example.com/:_authToken=${NPM_TOKEN}
cafile=/etc/corp.pem
script-shell=/bin/zsh
prefix=~/.local
"""


def test_of_an_npmrc_registries_and_who_is_let_in_there_are_kept() -> None:
    lines = npmrc.kept_lines(NPMRC)

    assert [line.partition("=")[0].strip() for line in lines] == [
        "registry", "@corp:registry", "//npm.example.com/:_authToken", "cafile"
    ]  # fmt: skip
    assert npmrc.named_variables(lines) == {"HOST", "NPM_TOKEN"}
    assert npmrc.hosts_of(lines, {"HOST": "npm.corp"}) == ["npm.example.com", "npm.corp:8443"]


def test_of_an_environment_the_same_is_kept() -> None:
    variables = {"NPM_CONFIG_REGISTRY": "https://a", "npm_config_//a/:_authToken": "t", "npm_config_script_shell": "x"}

    assert npmrc.environment_of({**variables, "NPM_TOKEN": "t"}) == {
        "npm_config_registry": "https://a",
        "npm_config_//a/:_authToken": "t",
    }


def test_the_user_names_another_npmrc(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("registry=https://a")
    (tmp_path / "all").write_text("registry=https://b\ncolor=false")
    environment = {"NPM_CONFIG_USERCONFIG": str(tmp_path / "mine"), "HOME": "/nowhere"}

    assert npmrc.read(environment, str(tmp_path / "all")) == ["registry=https://b", "registry=https://a"]


def test_pip_reads_the_nearer_setting_over_the_farther() -> None:
    listed = ":env:.index-url='https://c/simple'\nglobal.index-url='https://a/simple'\ninstall.trusted-host='a\\nb'\n"

    found = indexes.of_pip(listed, {})

    assert found.first == "https://c/simple"
    assert found.trusted == ("a", "b")
    assert indexes.of_pip(listed, {"PIP_INDEX_URL": "https://own/simple"}).first == "https://own/simple"
    assert "index-url = https://c/simple" in found.configuration()


def test_who_wants_no_index_gets_none() -> None:
    found = indexes.of_pip("global.no-index='true'\nglobal.index-url='https://a'\nglobal.find-links='/wheels'\n", {})

    assert (found.first, found.closed, found.links) == ("", True, ("/wheels",))
    assert "no-index = true" in found.configuration()
    assert indexes.over(indexes.of_uv({}), found) == found
    assert indexes.of_uv({"UV_NO_INDEX": "1"}).variables()["UV_NO_INDEX"] == "true"


def test_uv_reads_variables_over_its_file() -> None:
    file = '[[index]]\nname = "m"\nurl = "https://m/simple"\n[[index]]\nurl = "https://d/simple"\ndefault = true\n'

    from_file = indexes.of_uv({}, ["", file])
    assert (from_file.first, from_file.more) == ("https://d/simple", ("https://m/simple",))
    named = indexes.of_uv({"UV_DEFAULT_INDEX": "https://e/simple", "UV_INDEX": "x=https://u:p@f/simple"}, [file])
    assert (named.first, named.more) == ("https://e/simple", ("https://u:p@f/simple",))
    assert "u:p" not in repr(named)
    assert named.variables()["UV_INDEX"] == "https://u:p@f/simple"


def test_a_registry_of_this_network_is_granted_and_what_it_refers_to_there_is_not() -> None:
    granted = grants(
        ("npm.corp", "10.1.2.3:4873", "localhost:4873", "127.0.0.1"), ("files.example.com", "10.0.0.1", "db")
    )

    assert granted == (
        "private:npm.corp", "10.1.2.3:4873", "127.0.0.1:4873", "127.0.0.1:443", "127.0.0.1:80", "files.example.com"
    )  # fmt: skip
    Grants(granted)
    Grants((ANYWHERE,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("npm error code ENOSPC", "the disk is full"),
        ("npm error code E401", "does not let us have"),
        ("ERROR: HTTP error 403 while getting", "does not let us have"),
        ("npm.corp was not reached: its address 169.254.1.1 is link-local", "is link-local"),
        (
            "ERROR: Package 'a' requires a different Python: 3.11 not in '>=3.12'",
            "needs another Python than Python 3.11",
        ),
        ("npm error code ERESOLVE", "no set of versions"),
        ("npm error strange\nmore", "could not be installed: npm error strange"),
        ("", "could not be installed"),
    ],
)
def test_what_an_installer_wrote_is_said_in_words(text: str, message: str) -> None:
    error = explained(Package(Ecosystem.NPM, "a@1"), text, hosts=("npm.corp",), runtime="Python 3.11")

    assert message in error.message
    assert error.hint
